// Texts as Python has them: code points, its white space, letter case, and numbers as it writes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vitro::jinja {

/// Bytes of the code point that starts with this byte. All texts here are valid UTF-8.
constexpr std::size_t code_point_length(char lead) {
    const auto byte = static_cast<unsigned char>(lead);
    return byte < 0x80 ? 1 : (byte < 0xe0 ? 2 : (byte < 0xf0 ? 3 : 4));
}
std::int64_t code_point_count(std::string_view text);
/// The byte at which code point `index` starts; the text's size when it has no more than that.
std::size_t byte_of(std::string_view text, std::int64_t index);
/// The code point that starts `text` (not empty).
char32_t code_point_of(std::string_view text);
std::string utf8_of(char32_t c);

/// Where `part` stands in `text` from byte `from` on, or npos. Takes linear time, whatever the texts.
std::size_t find_in(std::string_view text, std::string_view part, std::size_t from = 0);
std::size_t find_last_in(std::string_view text, std::string_view part);

/// What str.isspace() is true of.
bool is_space(char32_t c);
/// What [A-Za-z0-9_] is for Unicode: a name's characters.
bool is_name(char32_t c);
bool is_letter(char32_t c);
bool is_digit(char32_t c);
bool is_upper(char32_t c);
bool is_lower(char32_t c);
/// Whether repr() shows it as it is.
bool is_printable(char32_t c);

/// Without white space, or without the characters of `characters` where given, at the ends.
std::string_view stripped(std::string_view text, std::optional<std::string_view> characters = std::nullopt,
                          bool left = true, bool right = true);

// Letter case, one code point for one, as Unicode's simple mappings have it, and "ß" as "SS".
std::string upper(std::string_view text);
std::string lower(std::string_view text);
/// The first character in title case, the others in lower case.
std::string capitalized(std::string_view text);

/// How many bytes the line that starts `text` has, as str.splitlines() finds it, and how many of them end it.
struct Line {
    std::size_t length = 0;
    std::size_t end = 0;
};
Line first_line(std::string_view text);

/// As repr() writes a float: 0.1, 1e+16, 2.0.
std::string float_text(double value);
/// What int() and float() read, white space around it and underscores between digits included.
std::optional<std::int64_t> parse_integer(std::string_view text, int base = 10);
std::optional<double> parse_float(std::string_view text);

}  // namespace vitro::jinja
