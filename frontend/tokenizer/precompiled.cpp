#include "frontend/tokenizer/precompiled.h"

#include "frontend/tokenizer/charsmap.h"
#include "frontend/tokenizer/unicode.h"

#include <fmt/core.h>
#include <utf8proc.h>

#include <memory>

namespace vitro {
namespace {

constexpr std::size_t kLongestGrapheme = 5;  // bytes of a grapheme cluster that is looked up as a whole

std::string decoded_base64(const JsonValue& value) {
    std::string out;
    unsigned bits = 0, held = 0;
    std::string_view text = value.string();
    while (text.ends_with('=')) text.remove_suffix(1);
    for (const char c : text) {
        const unsigned digit = c >= 'A' && c <= 'Z'   ? static_cast<unsigned>(c - 'A')
                               : c >= 'a' && c <= 'z' ? static_cast<unsigned>(c - 'a' + 26)
                               : c >= '0' && c <= '9' ? static_cast<unsigned>(c - '0' + 52)
                               : c == '+'             ? 62
                               : c == '/'             ? 63
                                                      : 64;
        if (digit == 64) value.refuse("base 64");
        bits = bits << 6 | digit;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        out += static_cast<char>(bits >> held & 0xff);
    }
    return out;
}

/// The bytes of the grapheme cluster (UAX 29) that starts `text`.
std::size_t grapheme_length(std::string_view text) {
    Utf8Char c = first_char(text);
    utf8proc_int32_t state = 0;
    std::size_t length = c.length;
    while (length < text.size()) {
        const Utf8Char next = first_char(text.substr(length));
        if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(c.code_point),
                                             static_cast<utf8proc_int32_t>(next.code_point), &state))
            break;
        length += next.length;
        c = next;
    }
    return length;
}

AlignedText precompiled(const AlignedText& text, const Charsmap& charsmap) {
    AlignedText out;
    out.reserve(text.text.size());
    const std::string_view view = text.text;
    const auto replace = [&](std::size_t begin, std::size_t end) {
        const auto replacement = charsmap.replacement(view.substr(begin, end - begin));
        if (replacement) out.append(*replacement, text.origin(begin), text.origin(end));
        return replacement.has_value();
    };
    for (std::size_t begin = 0; begin < view.size();) {
        const std::size_t end = begin + grapheme_length(view.substr(begin));
        if (end - begin > kLongestGrapheme || !replace(begin, end)) {
            for (std::size_t at = begin; at < end;) {
                const std::size_t next = at + first_char(view.substr(at)).length;
                if (!replace(at, next)) out.append(text, {at, next});
                at = next;
            }
        }
        begin = end;
    }
    out.end = text.end;
    return out;
}

}  // namespace

Normalizer read_precompiled(const JsonValue& value) {
    const auto charsmap = std::make_shared<const Charsmap>(decoded_base64(value),
                                                           fmt::format("{}: {}", value.file(), quote(value.path())));
    return [charsmap](const AlignedText& text) { return precompiled(text, *charsmap); };
}

}  // namespace vitro
