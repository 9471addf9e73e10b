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
    std::stable_sort(tokens_.begin(), tokens_.end(),
                     [](const AddedToken& a, const AddedToken& b) { return a.content.size() > b.content.size(); });
    for (std::size_t i = 0; i < tokens_.size(); ++i)
        by_first_byte_[static_cast<unsigned char>(tokens_[i].content[0])].push_back(i);
}

const AddedToken* AddedTokenSplitter::starting(std::string_view text) const {
    for (const std::size_t i : by_first_byte_[static_cast<unsigned char>(text[0])])
        if (text.starts_with(tokens_[i].content)) return &tokens_[i];
    return nullptr;
}

std::vector<AddedTokenSplitter::Segment> AddedTokenSplitter::split(std::string_view text) const {
    std::vector<Segment> segments;
    std::size_t done = 0;
    for (std::size_t at = 0; at < text.size();) {
        const AddedToken* token = starting(text.substr(at));
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
