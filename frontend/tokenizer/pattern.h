// What normalizers, pre-tokenizers and decoders look for: a text or a regular expression.
#pragma once

#include "base/error.h"
#include "frontend/json.h"
#include "frontend/tokenizer/regex.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

class Pattern {
public:
    /// `text` is not empty.
    explicit Pattern(std::string text) : text_(std::move(text)) {}
    explicit Pattern(Regex regex) : regex_(std::move(regex)) {}

    std::vector<TextRange> find_all(std::string_view text) const {
        if (regex_) return regex_->find_all(text);
        std::vector<TextRange> ranges;
        for (std::size_t at = text.find(text_); at != std::string_view::npos; at = text.find(text_, at + text_.size()))
            ranges.push_back({at, at + text_.size()});
        return ranges;
    }

    /// Whether it is a text of one character, which no cut between characters can hide.
    bool is_one_char() const { return !regex_ && count_chars() == 1; }

private:
    std::string text_;
    std::optional<Regex> regex_;

    std::size_t count_chars() const {
        std::size_t count = 0;
        for (const char c : text_) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
        return count;
    }
};

/// {"String": …} or {"Regex": …}. Error when it is empty or malformed.
inline Pattern read_pattern(const JsonValue& value) {
    if (const auto text = value.find("String")) {
        if (text->string().empty()) text->refuse("a text that is not empty");
        return Pattern(std::string(text->string()));
    }
    const JsonValue regex = value.at("Regex");
    try {
        return Pattern(Regex(regex.string()));
    } catch (const Error& error) {
        fail("{}: {}: {}", regex.file(), quote(regex.path()), error.what());
    }
}

}  // namespace vitro
