#include "frontend/tokenizer/tokenizer_rules.h"

#include "base/error.h"
#include "frontend/json.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

namespace vitro {
namespace {

/// The added tokens found so far, by content and by id, and the pieces they may name.
class TokenTable {
public:
    TokenTable(const SentencePieceModel& model, std::int64_t vocab_size) : vocab_size_(vocab_size) {
        for (std::size_t id = 0; id < model.pieces.size(); ++id)
            piece_ids_.emplace(model.pieces[id].text, static_cast<std::int32_t>(id));
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

    /// Adds a token of the vocabulary that is not normalized; nothing happens when it is known.
    void add_known(std::int32_t id, const std::string& content, bool special = true) {
        by_id_.try_emplace(id, AddedToken{id, content, false, false, false, false, special});
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

AddedToken read_token(const JsonValue& object, std::int32_t id) {
    const bool special = flag(object, "special");
    return {id,
            std::string(object.at("content").string()),
            flag(object, "single_word"),
            flag(object, "lstrip"),
            flag(object, "rstrip"),
            flag(object, "normalized", !special),
            special};
}

std::int32_t id_from_key(const JsonValue::Member& member, std::int64_t vocab_size) {
    std::int32_t id = -1;
    const auto [end, error] = std::from_chars(member.key.data(), member.key.data() + member.key.size(), id);
    if (error != std::errc{} || end != member.key.data() + member.key.size() || id < 0 || id >= vocab_size)
        member.value.refuse(fmt::format("a token id in [0, {}) as the key", vocab_size));
    return id;
}

/// The text of a token given as a string or as an object with its content.
std::string_view token_text(const JsonValue& value) {
    return value.is_object() ? value.at("content").string() : value.string();
}

/// bos_token and its like; a missing one has LlamaTokenizer's default, null means that there is none.
std::optional<std::string> named_token(const JsonValue& config, std::string_view key) {
    if (const std::optional<JsonValue> value = config.find(key))
        return value->is_null() ? std::nullopt : std::optional(std::string(token_text(*value)));
    if (key == "bos_token") return "<s>";
    if (key == "eos_token") return "</s>";
    if (key == "unk_token") return "<unk>";
    return std::nullopt;
}

void add_named_tokens(const JsonValue& config, TokenTable& table) {
    for (const std::string_view key :
         {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"}) {
        const std::optional<std::string> content = named_token(config, key);
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

void read_added_tokens(const std::filesystem::path& directory, const JsonValue& config, const SentencePieceModel& model,
                       bool has_tokenizer_json, TokenTable& table) {
    const std::optional<JsonValue> decoder = config.given("added_tokens_decoder");
    if (decoder)
        for (const JsonValue::Member& member : decoder->members())
            table.add(read_token(member.value, id_from_key(member, table.vocab_size())), member.value);

    const std::filesystem::path path = directory / "added_tokens.json";
    if (std::filesystem::exists(path)) {
        const JsonValue file = JsonValue::read(path);
        for (const JsonValue::Member& member : file.members()) {
            const auto id = static_cast<std::int32_t>(member.value.integer(0, table.vocab_size() - 1));
            const std::string content(member.key);
            // The newer places leave this file no say, but it must not contradict them.
            if (!decoder && !has_tokenizer_json)
                table.add({id, content, false, false, false, true, false}, member.value);
            else if (const auto known = table.id_of(content); known && *known != id)
                member.value.refuse(fmt::format("{} as in the other files", *known));
        }
    }
    if (has_tokenizer_json) return;
    for (std::size_t id = 0; id < model.pieces.size(); ++id) {
        const SentencePiece& piece = model.pieces[id];
        if (piece.type == PieceType::control || piece.type == PieceType::user_defined)
            table.add_known(static_cast<std::int32_t>(id), piece.text, piece.type == PieceType::control);
    }
}

/// The members of a "Sequence" of steps, or the one step itself; nothing for null.
std::vector<JsonValue> steps_of(const JsonValue& file, std::string_view key, std::string_view list) {
    const std::optional<JsonValue> value = file.given(key);
    if (!value) return {};
    if (value->at("type").string() == "Sequence") return value->at(list).array();
    return {*value};
}

void read_prefix_rule(const JsonValue& file, TokenizerRules& rules) {
    bool replaces = false;
    rules.prefix = PrefixRule::never;
    for (const JsonValue& step : steps_of(file, "normalizer", "normalizers")) {
        const std::string_view type = step.at("type").string();
        if (type == "Prepend" && step.at("prepend").string() == kSpaceMark) {
            rules.prefix = PrefixRule::always;
        } else if (type == "Replace" && step.at("pattern").at("String").string() == " " &&
                   step.at("content").string() == kSpaceMark) {
            replaces = true;
        } else {
            step.refuse("Prepend of \"▁\" or Replace of \" \" by \"▁\"");
        }
    }
    for (const JsonValue& step : steps_of(file, "pre_tokenizer", "pretokenizers")) {
        if (step.at("type").string() != "Metaspace" || step.at("replacement").string() != kSpaceMark ||
            flag(step, "split", true))
            step.refuse("Metaspace with \"▁\" and without splitting");
        const std::optional<JsonValue> scheme = step.given("prepend_scheme");
        const std::string_view name = scheme ? scheme->string() : "always";
        if (name == "first")
            rules.prefix = PrefixRule::first;
        else if (name == "always")
            rules.prefix = PrefixRule::section;
        else if (name != "never")
            scheme->refuse("first, always or never");
        replaces = true;
    }
    if (!replaces) file.refuse("a normalizer or pre_tokenizer that turns spaces into \"▁\"");

    rules.strip_leading_space = false;
    for (const JsonValue& step : steps_of(file, "decoder", "decoders"))
        if (step.at("type").string() == "Strip" && step.at("content").string() == " " && step.at("start").integer() > 0)
            rules.strip_leading_space = true;
}

/// A tokenizer.json of another vocabulary would leave the model with ids that mean other pieces.
void check_vocabulary(const JsonValue& vocabulary, const SentencePieceModel& model, const TokenTable& table) {
    for (const JsonValue::Member& member : vocabulary.members()) {
        const std::int64_t id = member.value.integer(0, table.vocab_size() - 1);
        if (static_cast<std::size_t>(id) >= model.pieces.size()) continue;
        const std::string& piece = model.pieces[static_cast<std::size_t>(id)].text;
        if (member.key != piece && table.id_of(member.key) != id)
            member.value.refuse(
                fmt::format("the vocabulary of tokenizer.model, whose piece {} is {}", id, quote(piece)));
    }
}

/// Which of the bos and eos tokens the template of tokenizer.json sets around a text.
void read_post_processor(const JsonValue& file, TokenizerRules& rules) {
    const std::optional<JsonValue> processor = file.given("post_processor");
    if (!processor) return;
    if (processor->at("type").string() != "TemplateProcessing") processor->refuse("TemplateProcessing or null");
    bool before = true;
    for (const JsonValue& item : processor->at("single").array()) {
        if (item.find("Sequence"))
            before = false;
        else if (item.find("SpecialToken"))
            (before ? rules.add_bos : rules.add_eos) = true;
    }
}

}  // namespace

TokenizerRules read_tokenizer_rules(const std::filesystem::path& model_directory, const SentencePieceModel& model,
                                    std::int64_t vocab_size) {
    TokenizerRules rules;
    TokenTable table(model, vocab_size);
    const JsonValue config = JsonValue::read(model_directory / "tokenizer_config.json");
    const bool has_tokenizer_json = std::filesystem::exists(model_directory / "tokenizer.json");
    if (has_tokenizer_json) {
        const JsonValue file = JsonValue::read(model_directory / "tokenizer.json");
        if (file.at("model").at("type").string() != "BPE") file.at("model").at("type").refuse("\"BPE\"");
        read_prefix_rule(file, rules);
        read_post_processor(file, rules);
        for (const JsonValue& token : file.at("added_tokens").array())
            table.add(read_token(token, static_cast<std::int32_t>(token.at("id").integer(0, vocab_size - 1))), token);
        if (const std::optional<JsonValue> vocabulary = file.at("model").given("vocab"))
            check_vocabulary(*vocabulary, model, table);
    } else {
        const bool prefix = flag(config, "add_prefix_space", true);
        const bool legacy = flag(config, "legacy");
        rules.prefix = !prefix ? PrefixRule::never : legacy ? PrefixRule::section : PrefixRule::first;
        rules.strip_leading_space = prefix;
    }
    read_added_tokens(model_directory, config, model, has_tokenizer_json, table);
    add_named_tokens(config, table);

    if (config.given("add_bos_token") || config.given("add_eos_token")) {
        rules.add_bos = flag(config, "add_bos_token");
        rules.add_eos = flag(config, "add_eos_token");
    }
    const auto id_of_named = [&](std::string_view key, bool is_added) {
        const std::optional<std::string> content = named_token(config, key);
        const std::optional<std::int32_t> id = content ? table.id_of(*content) : std::nullopt;
        if (is_added && content && !id)
            fail("tokenizer_config.json: \"{}\": expected a token of the vocabulary, found {}", key, quote(*content));
        return id.value_or(-1);
    };
    rules.bos_id = id_of_named("bos_token", rules.add_bos);
    rules.eos_id = id_of_named("eos_token", rules.add_eos);
    // A directory without the token has nothing to add, whatever its flag says.
    rules.add_bos = rules.add_bos && rules.bos_id >= 0;
    rules.add_eos = rules.add_eos && rules.eos_id >= 0;
    rules.added = table.take();
    return rules;
}

}  // namespace vitro
