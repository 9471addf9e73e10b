// Where a step becomes non-finite: the first value with NaN or Inf, what it was computed from, and why.
//
// Watching copies every value that a step computes, except the KV cache, and does not change the run. Only when
// something is found, the step is run again to look more closely at that one op: its inputs, the values inside it that
// fusion removed, and what its reference implementation computes from the same inputs.
#pragma once

#include "graph/statistics.h"
#include "runtime/language_model.h"

#include <optional>
#include <string>
#include <vector>

namespace vitro {

struct NotFinite {
    /// An input of the op that made the value.
    struct Input {
        std::string name;  // the op's name for this input
        std::string path;
        std::string kind;  // "weight", "state", …
        TensorType type;
        Statistics statistics;
    };

    std::string path;
    TensorType type;
    bool is_copied = true;  // true: copied from the run; false: computed again
    Phase phase = Phase::prefill;
    std::int64_t first_position = 0;  // position of the step's first token in its sequence
    std::string op, device, source;   // source: the line of the model's code; may be empty
    Statistics statistics;
    std::string where;  // the first element that is not finite: "[3, 17]"
    std::vector<Input> inputs;
    std::string cause;           // a sentence
    bool is_from_cache = false;  // whether an earlier step put it into the KV cache
};

struct WatchedStep {
    std::optional<NotFinite> found;
    PartResult result;  // set when nothing was found
};

/// Runs a step, and looks for the first value that is NaN or infinite, except for the -Inf of masks. When one is found,
/// the sequence stays as it was before. Errors as those of LanguageModel::step, except for results that are not finite.
WatchedStep watched_step(LanguageModel& model, const StepPart& part);

/// The same for a step that has failed with NotFiniteError. When the value that is not finite is already in the KV
/// cache, the sequence is computed again from its beginning, to find the step that put it there. Afterwards the
/// sequence has the same tokens as before.
std::optional<NotFinite> why_not_finite(LanguageModel& model, const StepPart& part);

/// "model.layers.2.mlp.gated (linear, models/phi3.cpp:34) is the first value that is not finite, at [3, 17] of …"
std::string text_of(const NotFinite& found);

}  // namespace vitro
