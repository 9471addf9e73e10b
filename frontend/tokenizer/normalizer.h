// What is done to a text before it is cut into words: Unicode forms, case, accents, replacements.
#pragma once

#include "frontend/json.h"
#include "frontend/tokenizer/aligned_text.h"

#include <functional>
#include <string>
#include <string_view>

namespace vitro {

using Normalizer = std::function<AlignedText(AlignedText)>;

/// The "normalizer" of a tokenizer.json, with the meaning it has in Hugging Face's tokenizers. Error, by name, for one
/// that is not known.
Normalizer read_normalizer(const JsonValue& value);

Normalizer normalizer_sequence(std::vector<Normalizer> steps);
/// Puts `prefix` in front of a text that is not empty.
Normalizer prepend_normalizer(std::string prefix);
/// Replaces every `from` (not empty) by `to`.
Normalizer replace_normalizer(std::string from, std::string to);
/// Each byte as the character that stands for it in byte-level vocabularies.
Normalizer byte_level_normalizer();

enum class UnicodeForm { nfc, nfd, nfkc, nfkd };
/// Unicode's normalization forms (UAX 15). What a base character and its marks become stands in the place of them all.
AlignedText to_form(const AlignedText& text, UnicodeForm form);

struct BertNormalizer {
    bool clean_text = true;
    bool handle_chinese_chars = true;
    bool strip_accents = false;
    bool lowercase = true;
};
Normalizer bert_normalizer(BertNormalizer options);

}  // namespace vitro
