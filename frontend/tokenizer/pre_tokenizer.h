// How a text is cut into words, which the model then takes one by one.
#pragma once

#include "frontend/json.h"
#include "frontend/tokenizer/aligned_text.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// A text and the words it is cut into, in order; none is empty, and what lies between them is dropped.
struct PreTokenized {
    AlignedText text;
    std::vector<TextRange> words;
};

using PreTokenizer = std::function<void(PreTokenized&)>;

/// The "pre_tokenizer" of a tokenizer.json, with the meaning it has in Hugging Face's tokenizers. Error, by name, for
/// one that is not known.
PreTokenizer read_pre_tokenizer(const JsonValue& value);

/// Where a mark is put in front of a word, which tells the piece of a word that starts there.
enum class PrependScheme {
    never,
    first,   ///< at the start of the user's text
    always,  ///< also after each added token
};

/// Spells spaces as `mark`, puts one in front unless one is there already, and cuts before each when `split`.
PreTokenizer metaspace(std::string mark, PrependScheme scheme, bool split);
/// Puts a space in front, also of one (`always`), or unless a space or "▁" is there already (`first`). For
/// libsentencepiece, which spells spaces itself.
PreTokenizer space_prefix(PrependScheme scheme);
/// Bytes as characters; a space in front of words without one when `add_prefix_space`; cut by GPT-2's rule when
/// `use_regex`.
PreTokenizer byte_level(bool add_prefix_space, bool use_regex);
/// Cuts around each match, one rule after the other.
PreTokenizer isolate(const std::vector<std::string>& regexes);
PreTokenizer bert_pre_tokenizer();
PreTokenizer pre_tokenizer_sequence(std::vector<PreTokenizer> steps);

/// "▁", how sentencepiece's pieces spell a space.
inline constexpr std::string_view kSpaceMark = "\xe2\x96\x81";

/// GPT-2's rule for words (Radford et al. 2019): contractions, letters, digits, other signs, each with a space before.
inline constexpr std::string_view kGpt2Words =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

}  // namespace vitro
