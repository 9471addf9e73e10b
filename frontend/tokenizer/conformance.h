// Where two tokenizers part on a text, or a tokenizer and ids that another program made, and by which rule.
#pragma once

#include "frontend/tokenizer/tokenizer.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// A stretch of the text that two tokenizers cut or name differently.
struct TokenParting {
    std::size_t begin = 0;  // in the text
    std::size_t end = 0;
    std::string rule;  // the first stage whose result differs
    std::vector<std::int32_t> ours;
    std::vector<std::int32_t> theirs;
};

/// The partings of two tokenizers on `text` (valid UTF-8), in order. Tokens are compared by spelling and place; where
/// those agree, by id.
std::vector<TokenParting> compare_tokenizers(const Tokenizer& ours, const Tokenizer& theirs, std::string_view text);

/// The partings of what `ours` makes of the text and of `ids`. The rule is told from how the ids are spelled.
std::vector<TokenParting> compare_with_ids(const Tokenizer& ours, std::span<const std::int32_t> ids,
                                           std::string_view text);

}  // namespace vitro
