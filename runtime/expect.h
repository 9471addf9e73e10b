// What a caller may expect of a model.
#pragma once

#include "models/config.h"

namespace vitro {

/// Error unless the logits are of the next token, as whatever generates or predicts takes them: scores of labels are not,
/// whose rows are shorter than the vocabulary, nor what a model says of tokens that it sees.
void expect_language_model(const ModelConfig& config);

}  // namespace vitro
