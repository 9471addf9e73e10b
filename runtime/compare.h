// Where two runs of one text part: both keep every value, and are walked side by side in the order of the model's
// graph. What is told of the first value that parts: the step of the program that made it, the passes that made that
// step, and the cause, found by asking, one after the other, the kernel, the model's definition, its weights, the
// passes, and what was made of the weights at load.
#pragma once

#include "frontend/safetensors.h"
#include "graph/difference.h"
#include "runtime/kept_run.h"

#include <optional>
#include <string>
#include <vector>

namespace vitro {

struct ComparedValue {
    std::string path;  // as the model's code has it
    Phase phase = Phase::prefill;
    std::int64_t first_position = 0;              // of the step's first token
    TensorType type;                              // on side a
    DType a = DType::f32, b = DType::f32;         // the coarser of the value's own type and of the activations
    bool is_copied_a = true, is_copied_b = true;  // else it was computed again
    Difference difference;
    std::string where;  // of the largest difference: "[3, 17]"; empty where there is none
    bool parts = false;
};

/// A step of a program and what it read, to be run again by `vitro exec`.
struct Replay {
    struct Input {
        std::string name;
        Tensor sizes;  // without memory
        Elements elements;
    };
    Graph graph;
    std::vector<Input> inputs;
    std::string device;
    std::string refused;  // why there is none; then the rest is empty
};

enum class Fault : std::uint8_t { kernel, definition, weight, pass, preparation, rounding };
/// "kernel", …
std::string_view name(Fault fault);

struct Parting {
    ComparedValue value;
    char side = 'b';                    // whose step is told of: the one at fault, where that is known
    std::string op, source;             // of the value, as the model's code has it
    std::string step, step_op, device;  // of the program's step: its output's path
    bool has_kernel = true;
    std::vector<std::string> passes;  // that made the step
    Fault fault = Fault::rounding;
    std::string cause;  // a sentence
    Replay replay;
};

class Comparison {
public:
    /// Models of one architecture with the same sizes, else Error; each opened for one sequence, with rows of all
    /// tokens.
    Comparison(LanguageModel& a, LanguageModel& b);

    /// Makes a step on both and compares it. Side a's logits; none where one side's are not finite: no step can follow.
    std::span<const float> step(std::span<const std::int32_t> tokens);

    /// All that was compared, in the order of the steps and of the graph.
    const std::vector<ComparedValue>& values() const { return values_; }
    /// The first that parts, if any does.
    const std::optional<Parting>& first() const { return first_; }

private:
    Parting explain(const ComparedValue& value) const;

    KeptRun a_, b_;
    std::vector<ComparedValue> values_;
    std::optional<Parting> first_;
};

/// The same of one model against tensors that another program has written, by the paths of modules: what a module
/// computes last (its bias and scale are values of their own), or the value of that name. `tokens` as the file has
/// them. Values that the file does not have are not compared. Side a is the file, b the model.
struct DumpComparison {
    std::vector<ComparedValue> values;
    std::optional<Parting> first;
    std::vector<std::string> unknown;  // tensors of the file that the model has no value for
};
DumpComparison compare_with_dump(LanguageModel& model, const SafetensorsFile& dump);

}  // namespace vitro
