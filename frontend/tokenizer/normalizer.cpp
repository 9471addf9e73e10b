#include "frontend/tokenizer/normalizer.h"

#include "frontend/tokenizer/byte_level.h"
#include "frontend/tokenizer/pattern.h"
#include "frontend/tokenizer/precompiled.h"
#include "frontend/tokenizer/unicode.h"

#include <fmt/core.h>

#include <utility>

namespace vitro {
namespace {

/// A new text made of `text` by each(character, its bytes, append(bytes)).
template <class Each>
AlignedText map_chars(const AlignedText& text, Each&& each) {
    AlignedText out;
    out.reserve(text.text.size());
    for (std::size_t at = 0; at < text.text.size();) {
        const std::string_view rest = std::string_view(text.text).substr(at);
        const Utf8Char c = first_char(rest);
        each(c.code_point, rest.substr(0, c.length),
             [&](std::string_view bytes) { out.append(bytes, text.origin(at), text.origin(at + c.length)); });
        at += c.length;
    }
    out.end = text.end;
    return out;
}

AlignedText lowercased(const AlignedText& text) {
    return map_chars(text, [lower = std::string()](char32_t c, std::string_view, auto&& append) mutable {
        lower.clear();
        append_lowercase(lower, c);
        append(lower);
    });
}

/// Without the characters of which drop(c) is true.
template <class Drop>
AlignedText without(const AlignedText& text, Drop&& drop) {
    return map_chars(text, [&](char32_t c, std::string_view bytes, auto&& append) {
        if (!drop(c)) append(bytes);
    });
}

AlignedText stripped(const AlignedText& text, bool left, bool right) {
    std::size_t begin = 0, end = text.text.size();
    const std::string_view view = text.text;
    while (left && begin < end) {
        const Utf8Char c = first_char(view.substr(begin));
        if (!is_whitespace(c.code_point)) break;
        begin += c.length;
    }
    while (right && begin < end) {
        const Utf8Char c = last_char(view.substr(0, end));
        if (!is_whitespace(c.code_point)) break;
        end -= c.length;
    }
    return text.part({begin, end});
}

AlignedText replaced(const AlignedText& text, const Pattern& pattern, std::string_view content) {
    AlignedText out;
    out.reserve(text.text.size());
    std::size_t done = 0;
    for (const TextRange& match : pattern.find_all(text.text)) {
        out.append(text, {done, match.begin});
        out.append(content, text.origin(match.begin), text.origin(match.end));
        done = match.end;
    }
    out.append(text, {done, text.text.size()});
    out.end = text.end;
    return out;
}

AlignedText nmt(const AlignedText& text) {
    return map_chars(text, [](char32_t c, std::string_view bytes, auto&& append) {
        const bool dropped =
            (c >= 0x1 && c <= 0x8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
        const bool space = c == 0x9 || c == 0xa || c == 0xc || c == 0xd || c == 0x1680 ||
                           (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff ||
                           c == 0xfffd;
        if (!dropped) append(space ? " " : bytes);
    });
}

bool is_chinese(char32_t c) {
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

Normalizer read_bert(const JsonValue& value) {
    const auto flag = [&](std::string_view key, bool otherwise) {
        const auto found = value.given(key);
        return found ? found->boolean() : otherwise;
    };
    BertNormalizer options;
    options.clean_text = flag("clean_text", true);
    options.handle_chinese_chars = flag("handle_chinese_chars", true);
    options.lowercase = flag("lowercase", true);
    options.strip_accents = flag("strip_accents", options.lowercase);
    return bert_normalizer(options);
}

}  // namespace

Normalizer normalizer_sequence(std::vector<Normalizer> steps) {
    return [steps = std::move(steps)](AlignedText text) {
        for (const Normalizer& step : steps) text = step(std::move(text));
        return text;
    };
}

Normalizer prepend_normalizer(std::string prefix) {
    return [prefix = std::move(prefix)](AlignedText text) {
        if (text.text.empty()) return text;
        AlignedText out;
        out.reserve(text.text.size() + prefix.size());
        out.append(prefix, text.origin(0), text.origin(0));
        out.append(text, {0, text.text.size()});
        out.end = text.end;
        return out;
    };
}

Normalizer replace_normalizer(std::string from, std::string to) {
    return [pattern = Pattern(std::move(from)), to = std::move(to)](const AlignedText& text) {
        return replaced(text, pattern, to);
    };
}

Normalizer byte_level_normalizer() {
    return [](const AlignedText& text) {
        AlignedText out;
        out.reserve(text.text.size() * 2);
        for (std::size_t i = 0; i < text.text.size(); ++i)
            out.append(byte_level_char(text.text[i]), text.origin(i), text.origin(i + 1));
        out.end = text.end;
        return out;
    };
}

Normalizer bert_normalizer(BertNormalizer options) {
    return [options](AlignedText text) {
        if (options.clean_text)
            text = map_chars(text, [](char32_t c, std::string_view bytes, auto&& append) {
                const bool space = is_whitespace(c);
                const bool kept = c == '\t' || c == '\n' || c == '\r' || !(c == 0 || c == 0xfffd || is_control(c));
                if (kept) append(space ? " " : bytes);
            });
        if (options.handle_chinese_chars)
            text = map_chars(text, [](char32_t c, std::string_view bytes, auto&& append) {
                append(is_chinese(c) ? fmt::format(" {} ", bytes) : std::string(bytes));
            });
        if (options.strip_accents) text = without(to_form(text, UnicodeForm::nfd), is_nonspacing_mark);
        return options.lowercase ? lowercased(text) : text;
    };
}

Normalizer read_normalizer(const JsonValue& value) {
    const JsonValue type = value.at("type");
    const std::string_view name = type.string();
    if (name == "Sequence") {
        std::vector<Normalizer> steps;
        for (const JsonValue& step : value.at("normalizers").array()) steps.push_back(read_normalizer(step));
        return normalizer_sequence(std::move(steps));
    }
    const auto form = [](UnicodeForm to) { return [to](const AlignedText& text) { return to_form(text, to); }; };
    if (name == "NFC") return form(UnicodeForm::nfc);
    if (name == "NFD") return form(UnicodeForm::nfd);
    if (name == "NFKC") return form(UnicodeForm::nfkc);
    if (name == "NFKD") return form(UnicodeForm::nfkd);
    if (name == "Lowercase") return lowercased;
    if (name == "StripAccents") return [](const AlignedText& text) { return without(text, is_mark); };
    if (name == "Strip") {
        const bool left = value.at("strip_left").boolean(), right = value.at("strip_right").boolean();
        return [left, right](const AlignedText& text) { return stripped(text, left, right); };
    }
    if (name == "Replace") {
        std::string content(value.at("content").string());
        return [pattern = read_pattern(value.at("pattern")), content = std::move(content)](const AlignedText& text) {
            return replaced(text, pattern, content);
        };
    }
    if (name == "Prepend") return prepend_normalizer(std::string(value.at("prepend").string()));
    if (name == "BertNormalizer") return read_bert(value);
    if (name == "Nmt") return nmt;
    if (name == "ByteLevel") return byte_level_normalizer();
    if (name == "Precompiled") return read_precompiled(value.at("precompiled_charsmap"));
    type.refuse(
        "Sequence, NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, Replace, Prepend, BertNormalizer, Nmt, "
        "ByteLevel or Precompiled");
}

}  // namespace vitro
