// vitro next, of what follows the logits: the filters of sampling, and a few tokens more.
#pragma once

#include "frontend/tokenizer/tokenizer.h"
#include "runtime/language_model.h"
#include "runtime/sampling_steps.h"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace vitro {

/// A token of a traced text.
struct TracedToken {
    std::int64_t position = 0;
    ExplainedChoice choice;
    std::vector<double> norms;  // of the residual stream at the token before: in front of the layers and after each
};

/// Continues the model's sequence 0, whose logits are given, by so many tokens, fewer where the context or an end token
/// ends the text. `options` are in range.
std::vector<TracedToken> traced_tokens(LanguageModel& model, std::span<const float> logits, std::vector<double> norms,
                                       std::int64_t count, const SamplingOptions& options,
                                       std::span<const std::int64_t> end_tokens);

void print_sampling(const ExplainedChoice& choice, const Tokenizer& tokenizer, std::size_t top);
void print_trace(const std::vector<TracedToken>& trace, const Tokenizer& tokenizer, std::size_t top);
nlohmann::ordered_json json_of(const ExplainedChoice& choice, const Tokenizer& tokenizer, std::size_t top);
nlohmann::ordered_json json_of(const TracedToken& token, const Tokenizer& tokenizer, std::size_t top);

}  // namespace vitro
