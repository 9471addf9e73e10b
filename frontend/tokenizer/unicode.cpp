#include "frontend/tokenizer/unicode.h"

#include "frontend/tokenizer/regex.h"

#include <utf8proc.h>

#include <algorithm>

namespace vitro {
namespace {

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

}  // namespace

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

std::size_t complete_length(std::string_view text) {
    std::size_t done = 0;
    while (done < text.size()) {
        const Utf8Char c = first_char(text.substr(done));
        const auto lead = static_cast<unsigned char>(text[done]);
        if (!c.valid && done + c.length == text.size() && lead >= 0xc2 && lead <= 0xf4) break;
        done += c.length;
    }
    return done;
}

bool is_word(char32_t c) {
    static const Regex word(kWordSet);
    std::string text;
    append_char(text, c);
    return !word.find_all(text).empty();
}

bool is_punctuation(char32_t c) {
    if (c < 0x80)
        return (c > 0x20 && c < 0x30) || (c > 0x39 && c < 0x41) || (c > 0x5a && c < 0x61) || (c > 0x7a && c < 0x7f);
    const utf8proc_category_t of = category(c);
    return of >= UTF8PROC_CATEGORY_PC && of <= UTF8PROC_CATEGORY_PO;
}

bool is_numeric(char32_t c) {
    const utf8proc_category_t of = category(c);
    return of >= UTF8PROC_CATEGORY_ND && of <= UTF8PROC_CATEGORY_NO;
}

bool is_mark(char32_t c) {
    const utf8proc_category_t of = category(c);
    return of >= UTF8PROC_CATEGORY_MN && of <= UTF8PROC_CATEGORY_ME;
}

bool is_nonspacing_mark(char32_t c) { return category(c) == UTF8PROC_CATEGORY_MN; }

bool is_control(char32_t c) {
    const utf8proc_category_t of = category(c);
    return of == UTF8PROC_CATEGORY_CC || of == UTF8PROC_CATEGORY_CF || of == UTF8PROC_CATEGORY_CO;
}

void append_char(std::string& out, char32_t c) {
    utf8proc_uint8_t bytes[4];
    const utf8proc_ssize_t size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
    for (utf8proc_ssize_t i = 0; i < size; ++i) out += static_cast<char>(bytes[i]);
}

void append_lowercase(std::string& out, char32_t c) {
    if (c == 0x130)  // the one character whose lower case is two, whatever the language
        out += "i\u0307";
    else
        append_char(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

}  // namespace vitro
