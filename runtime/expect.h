// What a caller may expect of a model.
#pragma once

#include "models/config.h"

namespace vitro {

/// Whether the logits are of the next token.
bool is_language_model(const ModelConfig& config);

/// Error unless they are: nothing is generated or predicted of a model that sees a text as a whole, nor of scores of
/// labels, whose rows are shorter than the vocabulary.
void expect_language_model(const ModelConfig& config);

}  // namespace vitro
