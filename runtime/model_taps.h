// Shows the values of a model's steps, by the paths that the model's code gave them, while the usual program runs.
//
// A tapped value that the program has in memory is copied out after the program's step that makes it; a value that
// fusion removed is computed again from copies of what the fused op read (graph/recover.h). The run itself does not
// change.
#pragma once

#include "graph/recover.h"
#include "runtime/language_model.h"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace vitro {

/// A value as it was in the latest step of a phase. Valid only during the call that it is passed to.
struct SeenValue {
    const std::string& path;
    /// The path of the program's value that has the same elements, or contains them, if that path differs; else empty.
    const std::string& in;
    bool is_copied;          // true: copied from the run; false: computed again
    const TensorType& type;  // its sizes may be symbols
    Tensor tensor;           // with the sizes that the step had, in host memory
};

class ModelTaps {
public:
    /// Taps the steps of one phase. `model` must outlive this; the destructor ends the taps.
    ModelTaps(LanguageModel& model, Phase phase);
    ~ModelTaps();
    ModelTaps(const ModelTaps&) = delete;
    ModelTaps& operator=(const ModelTaps&) = delete;

    /// The paths of all values that can be tapped, in the order in which a step computes them: those that the model's
    /// code wrote, and those that passes added.
    const std::vector<std::string>& paths() const { return paths_; }
    /// The model's graph as its code wrote it; and the program decomposed into simple ops, with all values that can be
    /// tapped.
    const Graph& source() const { return source_; }
    const Recovery& recovery() const { return recovery_; }

    /// Taps the values that any of the patterns matches, from the next step on. A pattern is a path, the end of a path,
    /// or a glob for either ("layers.*.mlp.gated"). Weights and constants match only by a path or its end, not by a
    /// glob. Error when a pattern matches nothing, suggesting similar paths.
    void tap(std::span<const std::string> patterns);
    /// Taps every value that a step computes.
    void tap_all();

    /// Taps the values of the program that are needed to compute these values of recovery().graph().
    void tap_values(std::span<const ValueId> wanted);

    /// Passes the tapped values of the latest step of the phase to `take`, in the order of computation. A step must
    /// have been run before.
    void read(const std::function<void(const SeenValue&)>& take) const;
    /// The same for values of recovery().graph(), which may be weights, as they were in the latest step. They must have
    /// been given to tap_values() before.
    void compute(std::span<const ValueId> wanted,
                 const std::function<void(ValueId id, const Elements& elements)>& take) const;
    /// The elements of a value of the program, a weight or one that is tapped, in the latest step.
    Elements of_program(ValueId id) const;
    /// Sizes of a value of recovery().graph() in the latest step, with these elements as its memory.
    Tensor tensor_of(ValueId id, const Elements& elements) const;

    /// The elements of one of the source graph's weights, as stored in the checkpoint.
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
