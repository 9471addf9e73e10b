// A model whose steps keep every value, and what can be asked about one value afterwards: which step of the program has
// made it, what that step's reference makes of the same inputs, and which pass changed what it means.
#pragma once

#include "graph/pass.h"
#include "runtime/model_taps.h"

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vitro {

/// A node as text, and the types of what it reads.
std::string line_of(const Graph& graph, const Node& node);

class KeptRun {
public:
    /// `model` must outlive this, and have been opened for one sequence.
    explicit KeptRun(LanguageModel& model) : model_(model) {}

    LanguageModel& model() const { return model_; }
    /// Makes a step with every value kept. Its logits; none where they are not finite: then the values are there all
    /// the same, and the sequence is as it was.
    std::span<const float> step(const StepPart& part);

    // All that follows is of the latest step.

    Phase phase() const { return phase_; }
    const ModelTaps& taps() const { return *taps_[static_cast<std::size_t>(phase_)]; }
    const Program& program() const { return model_.program(phase_); }
    /// What activations are rounded to for products (passes/quantize_activations.cpp), if they are.
    std::optional<DType> rounds_to() const;
    const SymbolValues& symbols() const { return model_.executor(phase_).symbols(); }

    /// A value of the source graph, in the recovery: -1 where the run has nothing of it, or it is a weight.
    ValueId find(const std::string& path) const;
    bool is_copied(ValueId id) const;
    Elements elements(ValueId id) const;
    /// The copied value that a value of the recovery is, or is taken apart from; -1 where it is computed again.
    ValueId holder_of(ValueId id) const;

    /// The step of the program that computed a value of the recovery: the output that holds it, or that it went into.
    struct Maker {
        NodeId node = -1;     // of the program
        ValueId output = -1;  // likewise
    };
    Maker maker_of(ValueId id) const;
    /// Whether a step runs a kernel, not its op's reference.
    bool has_kernel(NodeId of_program) const;
    /// What the reference of the op that computed a copied value makes of the inputs that the run had.
    Elements by_reference(ValueId id) const;

    /// The elements of a value of the program, weights too.
    Elements of_program(ValueId id) const { return taps().of_program(id); }

    /// The passes that fired where a step of the program stands, and at the value `path` that it makes, in their order.
    std::vector<std::string> passes_at(const Maker& maker, const std::string& path) const;
    /// A stage of the compilation after which a value is another one than before.
    struct Change {
        std::string pass;
        std::string line;  // what computes it then, as text, and the types of what it is computed from
        bool operator==(const Change&) const = default;
    };
    /// The passes after which the value `path` of the source graph, or what its step computes of it, is not what it was
    /// before them, computed by references from what the run's steps before it gave.
    std::vector<Change> changes_of(const std::string& path) const;
    /// A weight that the load program made, read by this step, which is not what its graph says; or nothing.
    std::optional<std::string> wrong_preparation(NodeId of_program) const;

private:
    struct Stages {
        std::vector<std::pair<std::string, Graph>> graphs;  // each by the pass that made it; "" the source graph
        Journal journal;
    };
    const Stages& stages() const;
    const Elements& checkpoint_tensor(const std::string& name) const;

    LanguageModel& model_;
    Phase phase_ = Phase::prefill;
    std::unique_ptr<ModelTaps> taps_[2];               // by phase
    mutable std::unique_ptr<Stages> stages_[2];        // likewise, where they were asked for
    mutable std::map<std::string, Elements> tensors_;  // of the checkpoint, where they were asked for
};

}  // namespace vitro
