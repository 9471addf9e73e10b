// The tokenizer that a GGUF file carries in its metadata (tokenizer.ggml.*): whoever reads the file fills the struct.
#pragma once

#include "frontend/tokenizer/tokenizer.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// The keys of the metadata, without "tokenizer.ggml."; what a file lacks stays as it is here.
struct GgufVocabulary {
    std::string model;  // "llama" (sentencepiece), "gpt2" (byte-level BPE), "bert" (WordPiece) or "t5" (Unigram)
    std::string pre;    // of gpt2: which rule cuts words
    std::vector<std::string> tokens;
    std::vector<float> scores;              // [tokens]; may be empty for gpt2 and bert
    std::vector<std::int32_t> token_types;  // [tokens], numbered as PieceType; or empty: all normal
    std::vector<std::string> merges;        // of gpt2, "a b"
    std::optional<std::int32_t> bos_token_id, eos_token_id, unknown_token_id, seperator_token_id, cls_token_id;
    std::optional<bool> add_bos_token, add_eos_token, add_sep_token;
    std::optional<bool> add_space_prefix;
    std::optional<bool> remove_extra_whitespaces;
    std::string precompiled_charsmap;
    std::string model_name;  // "general.name"
};

/// Error, which opens with `file` and the key, for what is malformed or not supported.
TokenizerParts gguf_tokenizer(const GgufVocabulary& vocabulary, std::string_view file);

/// The tokenizer in a model directory's files as a GGUF file has it. A warning is added where some text has other
/// tokens then. Error for a tokenizer that GGUF files have no words for.
GgufVocabulary export_gguf_vocabulary(const std::filesystem::path& model_directory, std::int64_t vocab_size,
                                      std::vector<std::string>& warnings);

/// What a name in "pre" stands for.
struct GgufPreTokenizer {
    std::vector<std::string> regexes;  // each cuts what the ones before it left
    bool ignore_merges = false;
    bool add_bos = false;  // where the file does not say
};

/// All names that are known.
std::vector<std::string_view> gguf_pre_tokenizer_names();
/// Error, with the names that are known, for one that is not.
GgufPreTokenizer gguf_pre_tokenizer(std::string_view name, std::string_view file);

}  // namespace vitro
