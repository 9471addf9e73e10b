// What the JSON files next to tokenizer.model say about tokens: which are added, which are special, where the
// word-boundary mark goes. Where tokenizer.json is there it describes the fast tokenizer itself and decides; without it
// the rules are those of Hugging Face's LlamaTokenizerFast (transformers 5) for tokenizer_config.json and
// added_tokens.json. (AutoTokenizer, for a Phi-3 directory without tokenizer.json, falls back to a generic tokenizer
// that never marks where a word starts, which is not what the model was trained on.)
#pragma once

#include "frontend/tokenizer/added_tokens.h"
#include "frontend/tokenizer/sentencepiece_model.h"

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace vitro {

/// "▁", how pieces spell a space.
inline constexpr std::string_view kSpaceMark = "\xe2\x96\x81";

/// Where a "▁" is put in front of text, which tells the piece of a word that starts there.
enum class PrefixRule {
    never,
    first,    ///< at the start of the text, unless it starts with a space
    section,  ///< also after each added token, unless a space stands there
    always,   ///< as section, even before a space
};

struct TokenizerRules {
    std::vector<AddedToken> added;  // unlike contents, unlike ids, ascending ids
    PrefixRule prefix = PrefixRule::first;
    bool strip_leading_space = true;  // decoding drops one space at the start
    bool add_bos = false;
    bool add_eos = false;
    std::int32_t bos_id = -1;  // -1: there is none
    std::int32_t eos_id = -1;
};

/// Error when tokenizer_config.json is missing, a file is malformed, a rule is not one of the above, an id is outside
/// [0, vocab_size), or two statements about one token differ.
TokenizerRules read_tokenizer_rules(const std::filesystem::path& model_directory, const SentencePieceModel& model,
                                    std::int64_t vocab_size);

}  // namespace vitro
