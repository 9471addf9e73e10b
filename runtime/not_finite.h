// Where a step turns non-finite: the first value that is no number, what it was computed from, and why.
//
// Watching costs a copy of every value that a step computes, but for the KV cache, and changes nothing of the run. Only
// when something is found is the step made again, with a closer look at the one op: its inputs, the values within it
// that fusion removed, and what its reference makes of the same inputs.
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
        std::string name;  // as the op calls it
        std::string path;
        std::string kind;  // "weight", "state", …
        TensorType type;
        Statistics statistics;
    };

    std::string path;
    TensorType type;
    bool is_copied = true;  // else it was computed again
    Phase phase = Phase::prefill;
    std::int64_t first_position = 0;  // of the step's first token in its sequence
    std::string op, device, source;   // source: the line of the model's code; may be empty
    Statistics statistics;
    std::string where;  // the first element that is not finite: "[3, 17]"
    std::vector<Input> inputs;
    std::string cause;           // a sentence
    bool is_from_cache = false;  // an earlier step has put it into a state
};

struct WatchedStep {
    std::optional<NotFinite> found;
    PartResult result;  // where nothing was found
};

/// Makes a step, and looks for the first value that is NaN or infinite, but for -Inf where a mask puts it. Where one is
/// found the sequence is as it was before. Error as of LanguageModel::step, but for results that are not finite.
WatchedStep watched_step(LanguageModel& model, const StepPart& part);

/// The same of a step that has failed (NotFiniteError). Where it found what is not finite in the KV cache, the sequence
/// is computed again from its beginning, to find the step that put it there. Afterwards the sequence has the tokens
/// that it had.
std::optional<NotFinite> why_not_finite(LanguageModel& model, const StepPart& part);

/// "model.layers.2.mlp.gated (linear, models/phi3.cpp:34) is the first value that is not finite, at [3, 17] of …"
std::string text_of(const NotFinite& found);

}  // namespace vitro
