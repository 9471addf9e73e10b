// Texts as vectors, and as scores of labels: what models give that do not write.
#pragma once

#include "frontend/pooling_config.h"
#include "runtime/language_model.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace vitro {

using TokenLists = std::span<const std::vector<std::int32_t>>;

/// Gives what is wanted of all tokens of each text, as [tokens, width], in order. Texts that fit go together in a step;
/// the model's sequences are empty before and after. Error for a text without tokens, and one longer than the context.
void each_text(LanguageModel& model, TokenLists texts, Want want,
               const std::function<void(std::size_t text, std::span<const float> rows)>& take);

/// The vector of each text: [hidden_size]. The model was opened with hidden_states and all_logits.
std::vector<std::vector<float>> text_vectors(LanguageModel& model, TokenLists texts, const Pooling& pooling);

/// Cosines of the angles between all pairs: [n, n].
std::vector<float> similarities(const std::vector<std::vector<float>>& vectors);

/// Makes probabilities of the finite scores of labels, or of -Inf: each label's own, or one among all, where scores
/// that are all -Inf give zeros, as the op softmax does. A single score stays as it is.
void to_probabilities(std::span<float> row, bool are_independent);

/// The scores of labels of each text, [labels], or of each of its tokens, [tokens, labels], as the model's head has it:
/// probabilities, or, of a single label, what the head gives. A head that reads a text's last token skips those at the
/// end that are `padding`, as transformers does.
std::vector<std::vector<float>> label_scores(LanguageModel& model, TokenLists texts,
                                             std::optional<std::int64_t> padding = {});

}  // namespace vitro
