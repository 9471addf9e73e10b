// Tokens that are found in the text before anything else is: `<|user|>`, `</s>`.
#pragma once

#include "frontend/tokenizer/byte_trie.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// As tokenizer_config.json and tokenizer.json describe one.
struct AddedToken {
    std::int32_t id = 0;
    std::string content;
    bool single_word = false;  ///< only where no word character stands next to it
    bool lstrip = false;       ///< takes the whitespace before it
    bool rstrip = false;       ///< takes the whitespace after it
    bool normalized = false;   ///< looked for after all others, in the normalized text
    bool special = false;      ///< left out when text is decoded for people
    bool operator==(const AddedToken&) const = default;
};

/// Finds added tokens in a text: leftmost first, the longest of those that start at the same place.
class AddedTokenSplitter {
public:
    /// A stretch of the text: the added token `id`, or text between when id is kText.
    struct Segment {
        std::int32_t id = kText;
        std::size_t begin = 0;
        std::size_t end = 0;  ///< includes the whitespace that the token takes
    };
    static constexpr std::int32_t kText = -1;

    AddedTokenSplitter() = default;
    /// No content is empty; of two equal ones the first counts.
    explicit AddedTokenSplitter(std::vector<AddedToken> tokens);

    /// The segments of `text` (valid UTF-8) in order; none is empty.
    std::vector<Segment> split(std::string_view text) const;

    bool empty() const { return tokens_.empty(); }

private:
    std::vector<AddedToken> tokens_;
    ByteTrie trie_;  // of their contents
};

}  // namespace vitro
