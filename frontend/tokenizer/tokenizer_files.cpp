#include "frontend/tokenizer/tokenizer_files.h"

#include "base/error.h"
#include "frontend/file.h"
#include "frontend/json.h"
#include "frontend/tokenizer/sentencepiece_model.h"
#include "frontend/tokenizer/tokenizer_json.h"

#include <charconv>
#include <limits>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

namespace vitro {
namespace {

/// The added tokens found so far, by content and by id, and the pieces they may name.
class TokenTable {
public:
    /// `tokens` are the model's, by id; they outlive this.
    TokenTable(const std::vector<std::string>& tokens, std::int64_t vocab_size) : vocab_size_(vocab_size) {
        for (std::size_t id = 0; id < tokens.size(); ++id)
            if (!tokens[id].empty()) piece_ids_.emplace(tokens[id], static_cast<std::int32_t>(id));
    }

    std::int64_t vocab_size() const { return vocab_size_; }

    /// The id of `content` as an added token or as a piece.
    std::optional<std::int32_t> id_of(std::string_view content) const {
        if (const auto found = by_content_.find(content); found != by_content_.end()) return found->second;
        if (const auto found = piece_ids_.find(content); found != piece_ids_.end()) return found->second;
        return std::nullopt;
    }

    /// Adds `token` unless its content is known. `said` is where a file says so.
    void add(AddedToken token, const JsonValue& said) {
        if (token.content.empty()) said.refuse("a token that is not empty");
        if (const std::optional<std::int32_t> known = id_of(token.content); known && *known != token.id)
            said.refuse(fmt::format("id {} for {}, which has it already", *known, quote(token.content)));
        const auto [other, is_new] = by_id_.try_emplace(token.id, token);
        if (!is_new && other->second.content != token.content)
            said.refuse(
                fmt::format("id {} to be unused by other tokens than {}", token.id, quote(other->second.content)));
        by_content_.emplace(std::move(token.content), token.id);
    }

    /// Adds a special token of the vocabulary that is not normalized; nothing happens when it is known.
    void add_known(std::int32_t id, const std::string& content) {
        by_id_.try_emplace(id, AddedToken{id, content, false, false, false, false, true});
        by_content_.emplace(content, id);
    }

    void mark_special(std::int32_t id) { by_id_.at(id).special = true; }

    std::vector<AddedToken> take() {
        std::vector<AddedToken> tokens;
        for (auto& [id, token] : by_id_) tokens.push_back(std::move(token));
        return tokens;
    }

private:
    std::int64_t vocab_size_;
    std::unordered_map<std::string_view, std::int32_t> piece_ids_;
    std::map<std::string, std::int32_t, std::less<>> by_content_;
    std::map<std::int32_t, AddedToken> by_id_;
};

bool flag(const JsonValue& object, std::string_view key, bool otherwise = false) {
    const std::optional<JsonValue> value = object.given(key);
    return value ? value->boolean() : otherwise;
}

AddedToken read_decoder_entry(const JsonValue& object, std::int32_t id) {
    const bool special = flag(object, "special");
    return {id,
            std::string(object.at("content").string()),
            flag(object, "single_word"),
            flag(object, "lstrip"),
            flag(object, "rstrip"),
            flag(object, "normalized", !special),
            special};
}

std::int32_t id_from_key(const JsonValue::Member& member) {
    std::int32_t id = -1;
    const auto [end, error] = std::from_chars(member.key.data(), member.key.data() + member.key.size(), id);
    if (error != std::errc{} || end != member.key.data() + member.key.size() || id < 0)
        member.value.refuse("a token id as the key");
    return id;
}

/// The text of a token given as a string or as an object with its content.
std::string_view token_text(const JsonValue& value) {
    return value.is_object() ? value.at("content").string() : value.string();
}

/// bos_token and its like. With tokenizer.model a missing one has LlamaTokenizer's default; null means that there is
/// none.
std::optional<std::string> named_token(const JsonValue& config, std::string_view key, bool has_defaults) {
    if (const std::optional<JsonValue> value = config.find(key))
        return value->is_null() ? std::nullopt : std::optional(std::string(token_text(*value)));
    if (!has_defaults) return std::nullopt;
    if (key == "bos_token") return "<s>";
    if (key == "eos_token") return "</s>";
    if (key == "unk_token") return "<unk>";
    return std::nullopt;
}

void add_named_tokens(const JsonValue& config, bool has_defaults, TokenTable& table) {
    for (const std::string_view key :
         {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"}) {
        const std::optional<std::string> content = named_token(config, key, has_defaults);
        if (!content) continue;
        // Fine-tunes name a padding token that their model has no row for; it can stand in no prompt.
        if (const std::optional<std::int32_t> id = table.id_of(*content)) {
            table.add_known(*id, *content);
            table.mark_special(*id);
        }
    }
    for (const std::string_view key : {"additional_special_tokens", "extra_special_tokens"}) {
        const std::optional<JsonValue> list = config.given(key);
        if (!list || !list->is_array()) continue;
        for (const JsonValue& item : list->array()) {
            const std::string content(token_text(item));
            if (const std::optional<std::int32_t> id = table.id_of(content)) table.add_known(*id, content);
        }
    }
}

/// What added_tokens_decoder and added_tokens.json say. `others_decide`: only that the latter must not contradict.
/// Tokens that the model has no row for are left out: text cannot ask for them.
void read_added_tokens(const std::filesystem::path& directory, const JsonValue& config, bool others_decide,
                       TokenTable& table) {
    const std::optional<JsonValue> decoder = config.given("added_tokens_decoder");
    if (decoder)
        for (const JsonValue::Member& member : decoder->members())
            if (const std::int32_t id = id_from_key(member); id < table.vocab_size())
                table.add(read_decoder_entry(member.value, id), member.value);

    const std::filesystem::path path = directory / "added_tokens.json";
    if (!file_exists(path)) return;
    const JsonValue file = JsonValue::read(path);
    for (const JsonValue::Member& member : file.members()) {
        const auto id = static_cast<std::int32_t>(member.value.integer(0, std::numeric_limits<std::int32_t>::max()));
        const std::string content(member.key);
        if (id >= table.vocab_size()) continue;
        // The newer places leave this file no say, but it must not contradict them.
        if (!decoder && !others_decide)
            table.add({id, content, false, false, false, true, false}, member.value);
        else if (const auto known = table.id_of(content); known && *known != id)
            member.value.refuse(fmt::format("{} as in the other files", *known));
    }
}

/// bos, eos, and which of them tokenizer_config.json puts around a text.
void apply_named_tokens(const JsonValue& config, bool has_defaults, const TokenTable& table, TokenizerParts& parts) {
    const bool decides = config.given("add_bos_token") || config.given("add_eos_token");
    const auto id_of = [&](std::string_view key, bool is_added) {
        const std::optional<std::string> content = named_token(config, key, has_defaults);
        const std::optional<std::int32_t> id = content ? table.id_of(*content) : std::nullopt;
        if (is_added && content && !id)
            fail("tokenizer_config.json: \"{}\": expected a token of the vocabulary, found {}", key, quote(*content));
        return id;
    };
    const bool add_bos = decides && flag(config, "add_bos_token"), add_eos = decides && flag(config, "add_eos_token");
    parts.bos_id = id_of("bos_token", add_bos);
    parts.eos_id = id_of("eos_token", add_eos);
    if (!decides) return;
    parts.post_processor = {};
    // A directory without the token has nothing to add, whatever its flag says.
    if (add_bos && parts.bos_id) parts.post_processor.before.push_back(*parts.bos_id);
    if (add_eos && parts.eos_id) parts.post_processor.after.push_back(*parts.eos_id);
}

TokenizerParts read_json_directory(const std::filesystem::path& directory, std::int64_t vocab_size) {
    TokenizerParts parts = read_tokenizer_json(JsonValue::read(directory / "tokenizer.json"), vocab_size);
    const std::filesystem::path path = directory / "tokenizer_config.json";
    if (!file_exists(path)) {
        if (!parts.post_processor.before.empty()) parts.bos_id = parts.post_processor.before.front();
        return parts;
    }
    const JsonValue config = JsonValue::read(path);
    TokenTable table(parts.tokens, vocab_size);
    for (AddedToken& token : parts.added) table.add(std::move(token), config);
    read_added_tokens(directory, config, true, table);
    add_named_tokens(config, false, table);
    apply_named_tokens(config, false, table, parts);
    parts.added = table.take();
    return parts;
}

/// As transformers has it: legacy is sentencepiece's own way, a mark in front of whatever stands between added tokens.
PrependScheme prepend_scheme(const JsonValue& config, const SentencePieceData& data) {
    if (!flag(config, "add_prefix_space", data.add_dummy_prefix)) return PrependScheme::never;
    return flag(config, "legacy") ? PrependScheme::always : PrependScheme::first;
}

TokenizerParts read_sentencepiece_directory(const std::filesystem::path& directory, std::int64_t vocab_size) {
    SentencePieceData data = read_sentencepiece_file(directory / "tokenizer.model", vocab_size);
    const JsonValue config = JsonValue::read(directory / "tokenizer_config.json");
    std::vector<std::string> texts;
    for (const SentencePiece& piece : data.pieces) texts.push_back(piece.text);
    TokenTable table(texts, vocab_size);
    read_added_tokens(directory, config, false, table);
    // What the user defined is no added token: the library finds it in the text, however spaces are spelled there.
    for (std::size_t id = 0; id < data.pieces.size(); ++id)
        if (data.pieces[id].type == PieceType::control)
            table.add_known(static_cast<std::int32_t>(id), data.pieces[id].text);
    add_named_tokens(config, true, table);
    TokenizerParts parts;
    apply_named_tokens(config, true, table, parts);
    parts.added = table.take();
    // An added token in the place of a piece (a placeholder that a fine-tune put to use) renames it.
    for (const AddedToken& token : parts.added)
        if (static_cast<std::size_t>(token.id) < data.pieces.size())
            data.pieces[static_cast<std::size_t>(token.id)].text = token.content;
    const PrependScheme scheme = prepend_scheme(config, data);
    add_sentencepiece_stages(data, scheme, "tokenizer.model", parts);
    return parts;
}

}  // namespace

void add_sentencepiece_stages(const SentencePieceData& data, PrependScheme scheme, std::string_view where,
                              TokenizerParts& parts) {
    parts.tokens.clear();
    for (const SentencePiece& piece : data.pieces) parts.tokens.push_back(piece.text);
    // Where the library drops the spaces in front, it alone can tell whether there is anything to put one before.
    const bool library_prefix = data.remove_extra_whitespaces && scheme != PrependScheme::never;
    parts.model = make_sentencepiece(data, library_prefix, where);
    if (!library_prefix) parts.pre_tokenizer = space_prefix(scheme);
    parts.decoder = sentencepiece_decoder(scheme != PrependScheme::never);
}

std::optional<std::int64_t> read_vocab_size(const std::filesystem::path& model_directory) {
    const std::filesystem::path path = model_directory / "config.json";
    if (!file_exists(path)) return std::nullopt;
    const JsonValue config = JsonValue::read(path);
    const std::optional<JsonValue> text = config.given("text_config");
    const std::optional<JsonValue> size = (text ? *text : config).given("vocab_size");
    return size ? std::optional(size->integer(1, kMaxVocabSize)) : std::nullopt;
}

TokenizerParts read_tokenizer_files(const std::filesystem::path& model_directory, std::int64_t vocab_size) {
    if (vocab_size < 1 || vocab_size > kMaxVocabSize)
        fail("config.json: \"vocab_size\": expected a number in [1, {}], found {}", kMaxVocabSize, vocab_size);
    if (file_exists(model_directory / "tokenizer.json")) return read_json_directory(model_directory, vocab_size);
    if (file_exists(model_directory / "tokenizer.model"))
        return read_sentencepiece_directory(model_directory, vocab_size);
    fail("{}: expected tokenizer.json or tokenizer.model, found neither", model_directory.string());
}

}  // namespace vitro
