// The values of a model's steps, by the paths that the model's code gave them, while the program that really runs does.
//
// A tapped value that the program has in memory is copied out after the step that makes it; one that fusion removed is
// computed again from copies of what its fused op read (graph/recover.h). The run itself stays as it is.
#pragma once

#include "graph/recover.h"
#include "runtime/language_model.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace vitro {

/// A value as it was in the latest step of a phase. Valid during the call it is given to.
struct SeenValue {
    const std::string& path;
    /// The program's value that has the same elements, or holds them, where its path is another; else empty.
    const std::string& in;
    bool is_copied;          // else it was computed again
    const TensorType& type;  // in symbols
    Tensor tensor;           // with the sizes of the step, in host memory
};

class ModelTaps {
public:
    /// For the steps of one phase. `model` must outlive this, which ends its taps.
    ModelTaps(LanguageModel& model, Phase phase);
    ~ModelTaps();
    ModelTaps(const ModelTaps&) = delete;
    ModelTaps& operator=(const ModelTaps&) = delete;

    /// Every path that can be seen, in the order in which a step computes them: what the model's code wrote, and what
    /// passes made besides.
    const std::vector<std::string>& paths() const { return paths_; }
    /// The model's graph as its code wrote it, and the program in simple ops, whose values are seen.
    const Graph& source() const { return source_; }
    const Recovery& recovery() const { return recovery_; }

    /// Taps the values that one of the patterns matches, from the next step on. A pattern is a path, the end of one, or
    /// a glob of either ("layers.*.mlp.gated"). Weights and constants match only by their names. Error when a pattern
    /// matches nothing, with paths that are near.
    void tap(std::span<const std::string> patterns);
    /// Taps every value that a step computes.
    void tap_all();

    /// Taps what the program must keep for these values of recovery().graph() to be computed.
    void tap_values(std::span<const ValueId> wanted);

    /// Gives the tapped values of the latest step of the phase, in their order. Not before a step was made.
    void read(const std::function<void(const SeenValue&)>& take) const;
    /// The same of values of recovery().graph(), weights too, as they were in the latest step; tap_values() has had
    /// them.
    void compute(std::span<const ValueId> wanted,
                 const std::function<void(ValueId id, const Elements& elements)>& take) const;
    /// The elements of a value of the program, a weight or one that is tapped, in the latest step.
    Elements of_program(ValueId id) const;
    /// Sizes of a value of recovery().graph() in the latest step, with these elements as its memory.
    Tensor tensor_of(ValueId id, const Elements& elements) const;

    /// The elements of one of the source graph's weights, as the checkpoint has them.
    Elements weight(const std::string& path) const;

private:
    void tap_paths(std::vector<std::string> paths);
    LanguageModel& model_;
    Phase phase_;
    Graph source_;
    Recovery recovery_;
    std::vector<std::string> paths_;
    std::vector<std::string> tapped_;  // paths
};

}  // namespace vitro
