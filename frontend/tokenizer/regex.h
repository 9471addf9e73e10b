// Regular expressions as tokenizer files have them (Oniguruma's syntax), run by PCRE2 with Unicode properties and JIT.
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
    /// Error, with the place in the pattern, when it is malformed or means something else to PCRE2 than to Oniguruma.
    explicit Regex(std::string_view pattern);

    /// The matches in `text` (valid UTF-8) from left to right; empty ones are left out. Error when a match takes more
    /// steps than any sensible pattern needs.
    std::vector<TextRange> find_all(std::string_view text) const;

private:
    struct Compiled;
    std::string pattern_;
    std::shared_ptr<const Compiled> compiled_;
};

}  // namespace vitro
