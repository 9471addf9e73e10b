#include "frontend/tokenizer/tokenizer_json.h"

#include <limits>
#include <unordered_map>
#include <utility>

namespace vitro {
namespace {

constexpr std::int64_t kMaxId = std::numeric_limits<std::int32_t>::max();

AddedToken read_added_token(const JsonValue& value) {
    const auto flag = [&](std::string_view key) {
        const auto given = value.given(key);
        return given && given->boolean();
    };
    AddedToken token{.id = static_cast<std::int32_t>(value.at("id").integer(0, kMaxId)),
                     .content = std::string(value.at("content").string()),
                     .single_word = flag("single_word"),
                     .lstrip = flag("lstrip"),
                     .rstrip = flag("rstrip"),
                     .normalized = flag("normalized"),
                     .special = flag("special")};
    if (token.content.empty()) value.at("content").refuse("a token that is not empty");
    return token;
}

/// Error when a content or an id stands twice, or is another token's of the vocabulary. A token that the model has no
/// row for is left out: text cannot ask for it.
std::vector<AddedToken> read_added_tokens(const JsonValue& list, std::int64_t vocab_size,
                                          std::vector<std::string>& tokens) {
    std::unordered_map<std::string_view, std::int32_t> vocabulary;
    for (std::size_t id = 0; id < tokens.size(); ++id)
        if (!tokens[id].empty()) vocabulary.emplace(tokens[id], static_cast<std::int32_t>(id));
    std::vector<AddedToken> added;
    std::unordered_map<std::int32_t, std::string> by_id;
    std::unordered_map<std::string, std::int32_t> by_content;
    for (const JsonValue& value : list.array()) {
        AddedToken token = read_added_token(value);
        if (token.id >= vocab_size) continue;
        const JsonValue id = value.at("id");
        if (const auto known = vocabulary.find(token.content); known != vocabulary.end() && known->second != token.id)
            id.refuse(fmt::format("id {} for {}, which the vocabulary has", known->second, quote(token.content)));
        if (!by_content.emplace(token.content, token.id).second)
            value.at("content").refuse("a token that is not in the list already");
        const auto [other, is_new] = by_id.emplace(token.id, token.content);
        if (!is_new) id.refuse(fmt::format("an id that is not that of {}", quote(other->second)));
        const auto at = static_cast<std::size_t>(token.id);
        if (at < tokens.size() && !tokens[at].empty() && tokens[at] != token.content)
            id.refuse(fmt::format("an id that is not that of {}", quote(tokens[at])));
        added.push_back(std::move(token));
    }
    return added;
}

}  // namespace

TokenizerParts read_tokenizer_json(const JsonValue& file, std::int64_t vocab_size) {
    TokenizerParts parts;
    parts.model = read_token_model(file.at("model"), vocab_size, parts.tokens);
    if (const auto added = file.given("added_tokens"))
        parts.added = read_added_tokens(*added, vocab_size, parts.tokens);
    if (const auto value = file.given("normalizer")) parts.normalizer = read_normalizer(*value);
    if (const auto value = file.given("pre_tokenizer")) parts.pre_tokenizer = read_pre_tokenizer(*value);
    if (const auto value = file.given("post_processor")) parts.post_processor = read_post_processor(*value, vocab_size);
    if (const auto value = file.given("decoder")) parts.decoder = read_decoder(*value);
    return parts;
}

}  // namespace vitro
