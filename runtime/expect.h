// What a caller may expect of a model.
#pragma once

#include "models/config.h"

namespace vitro {

/// Error unless the logits are of the next token: where they are scores of labels, nothing can be generated or
/// predicted, and a row of them is shorter than the vocabulary.
void expect_language_model(const ModelConfig& config);

}  // namespace vitro
