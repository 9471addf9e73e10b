#include "frontend/tokenizer/unicode.h"

#include <algorithm>

namespace vitro {

Utf8Char first_char(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(0);
    if (lead < 0x80) return {lead, 1, true};
    if (lead < 0xc2 || lead > 0xf4) return {0xfffd, 1, false};
    const std::size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    char32_t code_point = lead & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
        // Only the second byte has bounds of its own: they keep out overlong forms, surrogates and too large values.
        const unsigned low = i > 1 ? 0x80 : lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
        const unsigned high = i > 1 ? 0xbf : lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
        if (i >= text.size() || byte(i) < low || byte(i) > high) return {0xfffd, i, false};
        code_point = code_point << 6 | (byte(i) & 0x3f);
    }
    return {code_point, length, true};
}

Utf8Char last_char(std::string_view text) {
    for (std::size_t length = 1; length <= std::min<std::size_t>(text.size(), 4); ++length) {
        const Utf8Char c = first_char(text.substr(text.size() - length));
        if (c.valid && c.length == length) return c;
    }
    return {0xfffd, 1, false};
}

bool is_valid_utf8(std::string_view text) {
    while (!text.empty()) {
        const Utf8Char c = first_char(text);
        if (!c.valid) return false;
        text.remove_prefix(c.length);
    }
    return true;
}

std::string replace_invalid_utf8(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const Utf8Char c = first_char(text);
        out += c.valid ? text.substr(0, c.length) : kReplacementChar;
        text.remove_prefix(c.length);
    }
    return out;
}

bool is_whitespace(char32_t c) {
    return (c >= 0x9 && c <= 0xd) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

}  // namespace vitro
