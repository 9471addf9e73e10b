// How well a model predicts a text, and how near its predictions are to another model's.
#pragma once

#include "runtime/language_model.h"

#include <functional>
#include <optional>
#include <span>

namespace vitro {

/// The mean of some numbers, and its standard error; 0 of fewer than two.
struct Mean {
    double value = 0, error = 0;
};

/// Predictions of the same tokens by two models.
struct Agreement {
    Mean other_loss;       // of the other model
    Mean divergence;       // Kullback-Leibler, sum of p log(p / q): p of the other model, q of the first, in nats
    double most = 0;       // the largest of these divergences
    double same_best = 0;  // the share of tokens for which both have the same most probable one
};

struct TextScore {
    std::int64_t windows = 0, scored = 0;  // tokens that were predicted
    Mean loss;                             // minus the logarithm of a token's probability; e^loss is the perplexity
    std::optional<Agreement> agreement;    // with the other model, where there is one
};

/// Cuts `tokens` into windows of `window` tokens, a shorter rest left out unless it is all there is. In each, what
/// stands in the second half is predicted, each token from all before it in the window; of a rest, all but the first.
/// Both models were opened with all_logits, have a context of at least a window and the same vocabulary; their sequence
/// 0 is overwritten. `other` may be null. `progress` is told the tokens done. Error when there are fewer than two
/// tokens.
TextScore score_text(LanguageModel& model, LanguageModel* other, std::span<const std::int32_t> tokens,
                     std::int64_t window, const std::function<void(std::int64_t done)>& progress = nullptr);

}  // namespace vitro
