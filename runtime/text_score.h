// How well a model predicts a text, and how close its predictions are to those of another model.
#pragma once

#include "runtime/language_model.h"

#include <functional>
#include <optional>
#include <span>

namespace vitro {

/// The mean of some numbers, and its standard error, which is 0 for fewer than two numbers.
struct Mean {
    double value = 0, error = 0;
};

/// Predictions of the same tokens by two models.
struct Agreement {
    Mean other_loss;       // of the other model
    Mean divergence;       // Kullback-Leibler, sum of p log(p / q): p of the other model, q of the first, in nats
    double most = 0;       // the largest divergence of a token
    double same_best = 0;  // the fraction of positions at which both models have the same most probable token
};

struct TextScore {
    std::int64_t windows = 0, scored = 0;  // scored: the number of predicted tokens
    Mean loss;                             // minus the logarithm of a token's probability; e^loss is the perplexity
    std::optional<Agreement> agreement;    // with the other model, where there is one
};

/// Cuts `tokens` into windows of `window` tokens; a shorter rest at the end is ignored. In each window, every token of
/// the second half is predicted from all tokens before it in the window. If there are fewer than `window` tokens in
/// all, they are one window, in which all tokens but the first are predicted. Both models must have been opened with
/// all_logits, with a context of at least one window and the same vocabulary; their sequence 0 is overwritten. `other`
/// may be null. `progress` gets the number of tokens done. Error when there are fewer than two tokens.
TextScore score_text(LanguageModel& model, LanguageModel* other, std::span<const std::int32_t> tokens,
                     std::int64_t window, const std::function<void(std::int64_t done)>& progress = nullptr);

}  // namespace vitro
