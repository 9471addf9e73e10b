// The normalizer "Precompiled": sentencepiece's table of replacements, as Hugging Face's tokenizers apply it.
#pragma once

#include "frontend/json.h"
#include "frontend/tokenizer/normalizer.h"

namespace vitro {

/// `value` is the table in base 64. Error when it is malformed.
Normalizer read_precompiled(const JsonValue& value);

}  // namespace vitro
