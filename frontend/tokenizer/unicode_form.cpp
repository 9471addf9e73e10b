// Unicode's normalization forms, with places: a base character and the marks behind it are normalized together.
#include "base/error.h"
#include "frontend/tokenizer/normalizer.h"
#include "frontend/tokenizer/unicode.h"

#include <utf8proc.h>

#include <cstdlib>

namespace vitro {
namespace {

/// Whether `c` may join with or move before what stands before it: marks, the second and third letters of Hangul, and
/// whatever is decomposed to them.
bool joins(char32_t c, bool compatible) {
    if (c < 0x300) return false;
    utf8proc_int32_t parts[32];
    int boundary = 0;
    const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0));
    const utf8proc_ssize_t n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 32, options, &boundary);
    const utf8proc_int32_t first = n > 0 ? parts[0] : static_cast<utf8proc_int32_t>(c);
    if ((first >= 0x1160 && first <= 0x11ff) || (first >= 0xd7b0 && first <= 0xd7ff)) return true;
    const utf8proc_category_t of = utf8proc_category(first);
    return of == UTF8PROC_CATEGORY_MN || of == UTF8PROC_CATEGORY_MC || of == UTF8PROC_CATEGORY_ME;
}

std::string formed(std::string_view chunk, int options) {
    utf8proc_uint8_t* out = nullptr;
    const utf8proc_ssize_t size =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(chunk.data()),
                     static_cast<utf8proc_ssize_t>(chunk.size()), &out, static_cast<utf8proc_option_t>(options));
    if (size < 0) fail("Unicode normalization of {} bytes: {}", chunk.size(), utf8proc_errmsg(size));
    std::string text(reinterpret_cast<const char*>(out), static_cast<std::size_t>(size));
    std::free(out);
    return text;
}

}  // namespace

AlignedText to_form(const AlignedText& text, UnicodeForm form) {
    const bool compatible = form == UnicodeForm::nfkc || form == UnicodeForm::nfkd;
    const bool composed = form == UnicodeForm::nfc || form == UnicodeForm::nfkc;
    const int options =
        UTF8PROC_STABLE | (composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) | (compatible ? UTF8PROC_COMPAT : 0);
    AlignedText out;
    out.reserve(text.text.size());
    const std::string_view view = text.text;
    for (std::size_t begin = 0; begin < view.size();) {
        std::size_t end = begin + first_char(view.substr(begin)).length;
        bool plain = end - begin == 1;
        while (end < view.size()) {
            const Utf8Char next = first_char(view.substr(end));
            if (!joins(next.code_point, compatible)) break;
            end += next.length;
            plain = false;
        }
        if (plain)
            out.append(text, {begin, end});
        else if (const std::string chunk = formed(view.substr(begin, end - begin), options);
                 chunk == view.substr(begin, end - begin))
            out.append(text, {begin, end});
        else
            out.append(chunk, text.origin(begin), text.origin(end));
        begin = end;
    }
    out.end = text.end;
    return out;
}

}  // namespace vitro
