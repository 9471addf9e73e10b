#include "frontend/tokenizer/added_tokens.h"

#include "frontend/tokenizer/unicode.h"

#include <algorithm>

namespace vitro {
namespace {

std::size_t whitespace_at_start(std::string_view text) {
    std::size_t length = 0;
    while (length < text.size()) {
        const Utf8Char c = first_char(text.substr(length));
        if (!is_whitespace(c.code_point)) break;
        length += c.length;
    }
    return length;
}

std::size_t whitespace_at_end(std::string_view text) {
    std::size_t length = 0;
    while (length < text.size()) {
        const Utf8Char c = last_char(text.substr(0, text.size() - length));
        if (!is_whitespace(c.code_point)) break;
        length += c.length;
    }
    return length;
}

bool stands_alone(std::string_view before, std::string_view after) {
    return (before.empty() || !is_word(last_char(before).code_point)) &&
           (after.empty() || !is_word(first_char(after).code_point));
}

}  // namespace

AddedTokenSplitter::AddedTokenSplitter(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
    for (std::size_t i = 0; i < tokens_.size(); ++i) trie_.add(tokens_[i].content, static_cast<std::int32_t>(i));
}

std::vector<AddedTokenSplitter::Segment> AddedTokenSplitter::split(std::string_view text) const {
    std::vector<Segment> segments;
    if (tokens_.empty()) {
        if (!text.empty()) segments.push_back({kText, 0, text.size()});
        return segments;
    }
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
        const AddedToken* token = nullptr;
        trie_.prefixes(text.substr(at),
                       [&](std::int32_t i, std::size_t) { token = &tokens_[static_cast<std::size_t>(i)]; });
        if (token == nullptr) {
            ++at;
            continue;
        }
        std::size_t begin = at;
        std::size_t end = at + token->content.size();
        at = end;
        if (token->single_word && !stands_alone(text.substr(0, begin), text.substr(end))) continue;
        if (token->lstrip) begin = std::max(begin - whitespace_at_end(text.substr(0, begin)), done);
        if (token->rstrip) end += whitespace_at_start(text.substr(end));
        if (done < begin) segments.push_back({kText, done, begin});
        segments.push_back({token->id, begin, end});
        at = done = end;
    }
    if (done < text.size()) segments.push_back({kText, done, text.size()});
    return segments;
}

}  // namespace vitro
