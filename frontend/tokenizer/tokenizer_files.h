// A model directory's tokenizer. tokenizer.json, where it is there, describes the whole of it. Without it
// tokenizer.model has the pieces, and tokenizer_config.json and added_tokens.json what is around them, with the rules
// of transformers' LlamaTokenizer (5.24). In both cases tokenizer_config.json says which tokens begin and end a text.
#pragma once

#include "frontend/tokenizer/sentencepiece_file.h"
#include "frontend/tokenizer/tokenizer.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

namespace vitro {

/// Error when neither file is there, one is malformed or not supported, an id is outside [0, vocab_size), or two
/// statements about one token differ.
TokenizerParts read_tokenizer_files(const std::filesystem::path& model_directory, std::int64_t vocab_size);

/// "vocab_size" of config.json, also where a model of several parts has it in "text_config"; none without the file or
/// the key.
std::optional<std::int64_t> read_vocab_size(const std::filesystem::path& model_directory);

inline constexpr std::int64_t kMaxVocabSize = std::int64_t{1} << 22;

/// The tokens and stages of a sentencepiece vocabulary; errors open with `where`.
void add_sentencepiece_stages(const SentencePieceData& data, PrependScheme scheme, std::string_view where,
                              TokenizerParts& parts);

}  // namespace vitro
