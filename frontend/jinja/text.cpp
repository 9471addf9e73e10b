#include "frontend/jinja/text.h"

#include "frontend/tokenizer/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace vitro::jinja {
namespace {

template <class Change>
std::string changed(std::string_view text, Change change) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = code_point_length(text[0]);
        const char32_t c = code_point_of(text);
        text.remove_prefix(length);
        out += change(c);
    }
    return out;
}

char32_t mapped(char32_t c, utf8proc_int32_t (*map)(utf8proc_int32_t)) {
    return static_cast<char32_t>(map(static_cast<utf8proc_int32_t>(c)));
}

std::string upper_of(char32_t c) { return c == 0xdf ? "SS" : utf8_of(mapped(c, utf8proc_toupper)); }
std::string lower_of(char32_t c) { return utf8_of(mapped(c, utf8proc_tolower)); }

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

/// Digits with single underscores between them taken out; nothing where one stands elsewhere.
std::optional<std::string> without_underscores(std::string_view text) {
    std::string digits;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '_') {
            digits += text[i];
            continue;
        }
        const auto digit = [&](std::size_t at) {
            return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) != 0;
        };
        if (i == 0 || !digit(i - 1) || !digit(i + 1)) return std::nullopt;
    }
    return digits;
}

}  // namespace

std::int64_t code_point_count(std::string_view text) {
    return std::count_if(text.begin(), text.end(),
                         [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

std::size_t byte_of(std::string_view text, std::int64_t index) {
    std::size_t at = 0;
    for (; index > 0 && at < text.size(); --index) at += code_point_length(text[at]);
    return std::min(at, text.size());
}

char32_t code_point_of(std::string_view text) { return first_char(text).code_point; }

std::string utf8_of(char32_t c) {
    std::array<utf8proc_uint8_t, 4> bytes{};
    const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes.data());
    return {bytes.begin(), bytes.begin() + length};
}

std::size_t find_in(std::string_view text, std::string_view part, std::size_t from) {
    if (from > text.size()) return std::string_view::npos;
    if (part.empty()) return from;
    const void* found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
    if (found == nullptr) return std::string_view::npos;
    return static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

std::size_t find_last_in(std::string_view text, std::string_view part) {
    if (part.empty()) return text.size();
    const std::string reversed_text(text.rbegin(), text.rend()), reversed_part(part.rbegin(), part.rend());
    const std::size_t at = find_in(reversed_text, reversed_part);
    return at == std::string_view::npos ? at : text.size() - at - part.size();
}

bool is_space(char32_t c) { return is_whitespace(c) || (c >= 0x1c && c <= 0x1f); }
bool is_letter(char32_t c) {
    const auto of = category(c);
    return of >= UTF8PROC_CATEGORY_LU && of <= UTF8PROC_CATEGORY_LO;
}
bool is_digit(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }
bool is_name(char32_t c) { return c == '_' || is_letter(c) || is_digit(c); }
bool is_upper(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LU; }
bool is_lower(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LL; }

bool is_printable(char32_t c) {
    const auto of = category(c);
    const bool separator = of >= UTF8PROC_CATEGORY_ZS && of <= UTF8PROC_CATEGORY_ZP;
    const bool other = of == UTF8PROC_CATEGORY_CN || of >= UTF8PROC_CATEGORY_CC;
    return c == ' ' || (!separator && !other);
}

std::string_view stripped(std::string_view text, std::optional<std::string_view> characters, bool left, bool right) {
    const auto goes = [&](const Utf8Char& c, std::string_view bytes) {
        return characters ? find_in(*characters, bytes) != std::string_view::npos : is_space(c.code_point);
    };
    while (left && !text.empty() && goes(first_char(text), text.substr(0, first_char(text).length)))
        text.remove_prefix(first_char(text).length);
    while (right && !text.empty() && goes(last_char(text), text.substr(text.size() - last_char(text).length)))
        text.remove_suffix(last_char(text).length);
    return text;
}

std::string upper(std::string_view text) { return changed(text, upper_of); }
std::string lower(std::string_view text) { return changed(text, lower_of); }

std::string capitalized(std::string_view text) {
    bool first = true;
    return changed(text, [&](char32_t c) {
        return std::exchange(first, false) ? utf8_of(mapped(c, utf8proc_totitle)) : lower_of(c);
    });
}

Line first_line(std::string_view text) {
    const auto ends_line = [](char32_t c) {
        return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
    };
    for (std::size_t at = 0; at < text.size(); at += code_point_length(text[at])) {
        if (!ends_line(code_point_of(text.substr(at)))) continue;
        const std::size_t end = text.substr(at).starts_with("\r\n") ? 2 : code_point_length(text[at]);
        return {at + end, end};
    }
    return {text.size(), 0};
}

std::string float_text(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    std::array<char, 40> buffer{};
    const double size = std::abs(value);
    const bool fixed = size == 0 || (size >= 1e-4 && size < 1e16);
    const auto [end, error] = std::to_chars(buffer.begin(), buffer.end(), value,
                                            fixed ? std::chars_format::fixed : std::chars_format::scientific);
    std::string text(buffer.begin(), end);
    if (fixed && text.find('.') == std::string::npos) text += ".0";
    return text;
}

std::optional<std::int64_t> parse_integer(std::string_view text, int base) {
    const auto digits = without_underscores(stripped(text));
    if (!digits || digits->empty()) return std::nullopt;
    std::string_view rest = *digits;
    const bool negative = rest[0] == '-';
    if (rest[0] == '-' || rest[0] == '+') rest.remove_prefix(1);
    const char mark = rest.size() > 1 && rest[0] == '0' ? rest[1] : '\0';
    const int prefixed =
        mark == 'x' || mark == 'X' ? 16 : (mark == 'o' || mark == 'O' ? 8 : (mark == 'b' || mark == 'B' ? 2 : 0));
    if (prefixed != 0 && (base == prefixed || base == 0)) {
        rest.remove_prefix(2);
        base = prefixed;
    }
    const std::string number = (negative ? "-" : "") + std::string(rest);
    std::int64_t value = 0;
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), value, base == 0 ? 10 : base);
    if (rest.empty() || rest[0] == '-' || error != std::errc() || end != number.data() + number.size())
        return std::nullopt;
    return value;
}

std::optional<double> parse_float(std::string_view text) {
    const auto digits = without_underscores(stripped(text));
    if (!digits || digits->empty() || digits->size() > 4096) return std::nullopt;
    const bool hexadecimal = digits->find_first_of("xX(") != std::string::npos;  // strtod reads more than float() does
    char* end = nullptr;
    const double value = std::strtod(digits->c_str(), &end);
    if (hexadecimal || end != digits->c_str() + digits->size()) return std::nullopt;
    return value;
}

}  // namespace vitro::jinja
