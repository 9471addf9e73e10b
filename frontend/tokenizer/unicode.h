// UTF-8, and the character classes that tokenizers ask about (utf8proc has the tables).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vitro {

/// What stands at the front of a text.
struct Utf8Char {
    char32_t code_point = 0xfffd;
    std::size_t length = 0;  ///< bytes; where not valid, of the longest prefix of a character (at least 1)
    bool valid = false;
};

/// The character that starts `text` (not empty). Overlong forms, surrogates and values past U+10FFFF are not valid;
/// where broken bytes end is Unicode 15, section 3.9, "maximal subparts", which Python's "replace" follows too.
Utf8Char first_char(std::string_view text);

/// The character that ends `text` (not empty).
Utf8Char last_char(std::string_view text);

bool is_valid_utf8(std::string_view text);

/// `text` with each broken sequence replaced by U+FFFD, as Python's bytes.decode("utf-8", "replace") does.
std::string replace_invalid_utf8(std::string_view text);

/// How much of the front of `text` is certain: all, but for a character that more bytes may complete.
std::size_t complete_length(std::string_view text);

/// Unicode's White_Space: what `\s` matches.
bool is_whitespace(char32_t c);
/// Letters, marks, decimal digits, connectors and joiners (UTS 18).
inline constexpr std::string_view kWordSet = R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}])";
bool is_word(char32_t c);
/// General category P, or one of the ASCII characters that are no letter, digit, space or control.
bool is_punctuation(char32_t c);
/// General category N.
bool is_numeric(char32_t c);
/// General category M.
bool is_mark(char32_t c);
/// General category Mn.
bool is_nonspacing_mark(char32_t c);
/// General category Cc, Cf or Co.
bool is_control(char32_t c);

/// Appends the character as UTF-8.
void append_char(std::string& out, char32_t c);
/// Appends its lower case: two characters for U+0130, else one.
void append_lowercase(std::string& out, char32_t c);

inline constexpr std::string_view kReplacementChar = "\xef\xbf\xbd";  // U+FFFD

}  // namespace vitro
