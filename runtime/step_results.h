// The results of a step: rows of logits, of log-probabilities or of hidden states, and chosen tokens.
#pragma once

#include "graph/executor.h"
#include "models/model.h"
#include "ops/sample/sample.h"

#include <cstdint>
#include <span>
#include <vector>

namespace vitro {

/// Which results a sequence's part of a step must give for its rows.
enum class Want : std::uint8_t {
    nothing,            // its tokens are only appended, and it has no rows
    logits,             // [rows, n_outputs]
    log_probabilities,  // [rows, n_outputs]: the logarithm of the logits' softmax
    hidden_states,      // [rows, hidden_size]: what the head computes the logits from
    token,              // [rows]: for each row the chosen next token
};

/// What a model gives: logits; hidden states where it has no head.
inline Want usual_result(const ModelConfig& config) {
    return config.head == Head::none ? Want::hidden_states : Want::logits;
}

/// The results of one part, row by row, in one of the two lists; the other list is empty.
struct PartResult {
    std::span<const float> values;
    std::span<const std::int32_t> tokens;
};

/// The results of a model's graph (models/model.h); -1 where the graph has none.
struct ResultBinding {
    explicit ResultBinding(const Graph& graph);
    ValueId logits, next_tokens, hidden_states;
};

/// Memory for the results of the largest step. Allocates only in the constructor.
class StepResults {
public:
    /// `most`: the sizes of the largest step.
    StepResults(const BuildOptions& most, const ModelConfig& config);

    /// Consecutive rows of a step for which the same kind of result is wanted.
    struct Rows {
        Want want = Want::nothing;
        std::size_t begin = 0, count = 0;
    };
    /// Reads the wanted results from a program that has run with these symbols. `samples` say how tokens are chosen,
    /// one for each row of the step; if the program can choose tokens, its choices are read instead. Error when a
    /// wanted result is NaN or +Inf.
    void read(const Executor& executor, const ResultBinding& binding, const SymbolValues& symbols,
              std::span<const Rows> parts, std::span<const SampleRow> samples);
    /// The results of these rows. Valid until the next read().
    PartResult of(const Rows& rows) const;

private:
    std::span<float> logits_of(const Rows& rows);
    void choose(const Rows& rows, std::span<const SampleRow> samples);

    std::size_t n_outputs_, hidden_size_;
    std::vector<float> logits_;                // [max_rows, n_outputs]; of some rows log-probabilities in their place
    std::vector<float> hidden_states_;         // [max_rows, hidden_size]; empty where the graph gives none
    std::vector<std::int32_t> tokens_;         // [max_rows]
    std::vector<SampleCandidate> candidates_;  // [n_outputs]
};

}  // namespace vitro
