// What a GGUF file says of its model, in the words of Hugging Face's files: the same readers take both.
#pragma once

#include "frontend/gguf/gguf.h"
#include "frontend/json.h"
#include "frontend/tokenizer/gguf_vocabulary.h"

#include <string>
#include <string_view>

namespace vitro {

/// The metadata as config.json has it, errors in which name the file. Error for an architecture that is not known.
JsonValue gguf_config(const GgufFile& file);

/// Whether the rows of the q and k projections stand in pairs: llama.cpp turns neighbours where transformers turns
/// halves, and its files for Llama are sorted so.
bool has_paired_rows(const GgufFile& file);

/// The metadata's tokenizer.
GgufVocabulary gguf_vocabulary(const GgufFile& file);

}  // namespace vitro
