// A text on its way through the stages of a tokenizer, which remembers where each of its bytes came from.
#pragma once

#include "frontend/tokenizer/regex.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// For each byte, and for the end, the place in the text that the user gave. Places never go back.
struct AlignedText {
    std::string text;
    std::vector<std::uint32_t> origins;  // [text.size()]
    std::uint32_t end = 0;

    AlignedText() = default;
    /// `text`, which stands at `begin` of the user's.
    AlignedText(std::string_view part, std::size_t begin)
        : text(part), origins(part.size()), end(static_cast<std::uint32_t>(begin + part.size())) {
        for (std::size_t i = 0; i < part.size(); ++i) origins[i] = static_cast<std::uint32_t>(begin + i);
    }

    std::uint32_t origin(std::size_t at) const { return at < origins.size() ? origins[at] : end; }

    /// Appends `bytes` in the place of [from, to) of the user's text: what is more than one byte stands at its end.
    void append(std::string_view bytes, std::uint32_t from, std::uint32_t to) {
        if (bytes.empty()) return;
        text += bytes;
        origins.push_back(from);
        origins.insert(origins.end(), bytes.size() - 1, to);
    }
    /// Appends `range` of `other` as it is.
    void append(const AlignedText& other, TextRange range) {
        text.append(other.text, range.begin, range.end - range.begin);
        origins.insert(origins.end(), other.origins.begin() + static_cast<std::ptrdiff_t>(range.begin),
                       other.origins.begin() + static_cast<std::ptrdiff_t>(range.end));
    }
    void reserve(std::size_t bytes) {
        text.reserve(bytes);
        origins.reserve(bytes);
    }
    AlignedText part(TextRange range) const {
        AlignedText out;
        out.append(*this, range);
        out.end = origin(range.end);
        return out;
    }
};

}  // namespace vitro
