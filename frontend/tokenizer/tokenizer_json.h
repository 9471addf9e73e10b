// tokenizer.json: a whole tokenizer of Hugging Face's tokenizers library, stage by stage.
#pragma once

#include "frontend/json.h"
#include "frontend/tokenizer/tokenizer.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace vitro {

/// Error, by field, for what is malformed or not supported, and for ids outside [0, vocab_size).
TokenizerParts read_tokenizer_json(const JsonValue& file, std::int64_t vocab_size);

/// The "model" of a tokenizer.json (BPE, Unigram, WordPiece, WordLevel) and, in `tokens`, its vocabulary.
std::unique_ptr<TokenModel> read_token_model(const JsonValue& value, std::int64_t vocab_size,
                                             std::vector<std::string>& tokens);

/// The "merges" of a BPE model: "a b" or ["a", "b"], the first to be applied first.
std::vector<std::pair<std::string, std::string>> read_merges(const JsonValue& value);

}  // namespace vitro
