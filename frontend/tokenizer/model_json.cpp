#include "frontend/tokenizer/tokenizer_json.h"

#include <algorithm>
#include <utility>

namespace vitro {
namespace {

bool flag(const JsonValue& value, std::string_view key) {
    const auto given = value.given(key);
    return given && given->boolean();
}

std::optional<std::string> text_of(const JsonValue& value, std::string_view key) {
    const auto given = value.given(key);
    return given ? std::optional(std::string(given->string())) : std::nullopt;
}

/// {"token": id}: spellings by id.
std::vector<std::string> read_vocabulary(const JsonValue& value, std::int64_t vocab_size) {
    std::vector<std::string> tokens;
    const std::vector<JsonValue::Member> members = value.members();
    tokens.reserve(members.size());
    for (const JsonValue::Member& member : members) {
        const auto id = static_cast<std::size_t>(member.value.integer(0, vocab_size - 1));
        if (id >= tokens.size()) tokens.resize(id + 1);
        if (!tokens[id].empty()) member.value.refuse(fmt::format("an id that is not that of {}", quote(tokens[id])));
        tokens[id] = member.key;
    }
    return tokens;
}

std::int32_t id_of(const Vocabulary& vocabulary, const JsonValue& token) {
    const auto id = vocabulary.find(token.string());
    if (!id) token.refuse("a token of the vocabulary");
    return *id;
}

std::unique_ptr<TokenModel> read_bpe(const JsonValue& value, std::shared_ptr<const Vocabulary> vocabulary) {
    if (const auto dropout = value.given("dropout"); dropout && dropout->number() != 0)
        dropout->refuse("0 or null: only training drops merges");
    const BpeOptions options{.unk_token = text_of(value, "unk_token"),
                             .continuing_subword_prefix = text_of(value, "continuing_subword_prefix").value_or(""),
                             .end_of_word_suffix = text_of(value, "end_of_word_suffix").value_or(""),
                             .fuse_unk = flag(value, "fuse_unk"),
                             .byte_fallback = flag(value, "byte_fallback"),
                             .ignore_merges = flag(value, "ignore_merges")};
    if (options.unk_token) id_of(*vocabulary, value.at("unk_token"));
    const JsonValue merges = value.at("merges");
    return make_bpe(std::move(vocabulary), read_merges(merges), options,
                    fmt::format("{}: {}", value.file(), quote(merges.path())));
}

std::unique_ptr<TokenModel> read_unigram(const JsonValue& value, std::int64_t vocab_size,
                                         std::vector<std::string>& tokens) {
    std::vector<double> scores;
    const JsonValue list = value.at("vocab");
    for (const JsonValue& entry : list.array()) {
        if (static_cast<std::int64_t>(tokens.size()) == vocab_size)
            list.refuse(fmt::format("at most {} tokens (the model's vocab_size)", vocab_size));
        const std::vector<JsonValue> pair = entry.array();
        if (pair.size() != 2) entry.refuse("a token and its score");
        tokens.emplace_back(pair[0].string());
        scores.push_back(pair[1].number());
    }
    if (tokens.empty()) list.refuse("a vocabulary that is not empty");
    UnigramOptions options{.byte_fallback = flag(value, "byte_fallback")};
    if (const auto id = value.given("unk_id"))
        options.unk_id = static_cast<std::int32_t>(id->integer(0, static_cast<std::int64_t>(tokens.size()) - 1));
    return make_unigram(std::make_shared<const Vocabulary>(tokens), std::move(scores), options);
}

/// The type, which files of old versions leave to be guessed from the fields.
std::string type_of(const JsonValue& value) {
    if (const auto type = value.given("type")) return std::string(type->string());
    if (value.at("vocab").is_array()) return "Unigram";
    if (value.given("merges")) return "BPE";
    return value.given("max_input_chars_per_word") ? "WordPiece" : "WordLevel";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> read_merges(const JsonValue& value) {
    std::vector<std::pair<std::string, std::string>> merges;
    for (const JsonValue& merge : value.array()) {
        if (merge.is_string()) {
            const std::string_view text = merge.string();
            const std::size_t space = text.find(' ');
            if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos)
                merge.refuse("two tokens with a space between");
            merges.emplace_back(text.substr(0, space), text.substr(space + 1));
            continue;
        }
        const std::vector<JsonValue> pair = merge.array();
        if (pair.size() != 2) merge.refuse("two tokens");
        merges.emplace_back(pair[0].string(), pair[1].string());
    }
    return merges;
}

std::unique_ptr<TokenModel> read_token_model(const JsonValue& value, std::int64_t vocab_size,
                                             std::vector<std::string>& tokens) {
    const std::string type = type_of(value);
    if (type == "Unigram") return read_unigram(value, vocab_size, tokens);
    if (type != "BPE" && type != "WordPiece" && type != "WordLevel")
        value.at("type").refuse("BPE, Unigram, WordPiece or WordLevel");
    tokens = read_vocabulary(value.at("vocab"), vocab_size);
    const auto vocabulary = std::make_shared<const Vocabulary>(tokens);
    if (type == "BPE") return read_bpe(value, vocabulary);
    const std::int32_t unk_id = id_of(*vocabulary, value.at("unk_token"));
    if (type == "WordLevel") return make_word_level(vocabulary, unk_id);
    WordPieceOptions options{.unk_id = unk_id};
    if (const auto prefix = text_of(value, "continuing_subword_prefix")) options.continuing_subword_prefix = *prefix;
    if (const auto longest = value.given("max_input_chars_per_word"))
        options.max_input_chars_per_word = static_cast<std::size_t>(longest->integer(0, 1 << 30));
    return make_wordpiece(vocabulary, options);
}

}  // namespace vitro
