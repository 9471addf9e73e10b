// Regular expressions as tokenizer files have them, run by Oniguruma, which the library of `tokenizers` does, too.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// A stretch of a text, in bytes.
struct TextRange {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool operator==(const TextRange&) const = default;
};

class Regex {
public:
    /// Error when it is malformed.
    explicit Regex(std::string_view pattern);

    /// The matches in `text` (valid UTF-8) from left to right; an empty one counts unless it stands at the end of the
    /// one before, or in an empty text. Error when matches take more steps than any sensible pattern needs.
    std::vector<TextRange> find_all(std::string_view text) const;

private:
    struct Compiled;
    std::string pattern_;
    std::shared_ptr<const Compiled> compiled_;
};

}  // namespace vitro
