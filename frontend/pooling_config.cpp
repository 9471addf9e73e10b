#include "frontend/pooling_config.h"

#include "base/error.h"
#include "frontend/file.h"
#include "frontend/gguf/gguf.h"
#include "frontend/json.h"

#include <string_view>
#include <utility>

namespace vitro {
namespace {

constexpr std::int64_t kMaxTokens = std::int64_t{1} << 30;

/// The last part of "sentence_transformers.models.Pooling".
std::string_view kind_of_module(const JsonValue& type) {
    const std::string_view name = type.string();
    return name.substr(name.rfind('.') + 1);
}

/// One flag for each kind in older files, one name in newer ones.
Pooling::Kind read_kind(const JsonValue& config) {
    constexpr std::pair<std::string_view, Pooling::Kind> kNames[] = {
        {"mean", Pooling::Kind::mean}, {"cls", Pooling::Kind::first}, {"lasttoken", Pooling::Kind::last}};
    if (const auto mode = config.given("pooling_mode")) {
        for (const auto& [name, kind] : kNames)
            if (mode->string() == name) return kind;
        mode->refuse("one of mean, cls, lasttoken");
    }
    constexpr std::pair<std::string_view, Pooling::Kind> kFlags[] = {{"pooling_mode_mean_tokens", Pooling::Kind::mean},
                                                                     {"pooling_mode_cls_token", Pooling::Kind::first},
                                                                     {"pooling_mode_lasttoken", Pooling::Kind::last}};
    std::optional<Pooling::Kind> found;
    for (const JsonValue::Member& member : config.members()) {
        if (!member.key.starts_with("pooling_mode_") || !member.value.boolean()) continue;
        if (found) member.value.refuse("one kind of pooling, not two joined");
        for (const auto& [flag, kind] : kFlags)
            if (member.key == flag) found = kind;
        if (!found) member.value.refuse("pooling by mean_tokens, cls_token or lasttoken");
    }
    if (!found) config.refuse("a kind of pooling");
    return *found;
}

/// As llama.cpp numbers the kinds; it makes vectors of length 1 of them all.
std::optional<Pooling::Kind> read_gguf_kind(const std::filesystem::path& path) {
    const GgufFile file = GgufFile::open(path);
    const GgufValue* type = file.find_key(fmt::format("{}.pooling_type", file.at("general.architecture").string()));
    switch (type == nullptr ? 0 : type->integer(0, 3)) {
        case 1:
            return Pooling::Kind::mean;
        case 2:
            return Pooling::Kind::first;
        case 3:
            return Pooling::Kind::last;
        default:
            return {};
    }
}

/// What stands before every text that is given without a word about it.
std::string read_prompt(const std::filesystem::path& path) {
    if (!file_exists(path)) return {};
    const JsonValue config = JsonValue::read(path);
    const auto name = config.given("default_prompt_name");
    return name ? std::string(config.at("prompts").at(name->string()).string()) : std::string();
}

}  // namespace

Pooling read_pooling(const std::filesystem::path& directory, const ModelConfig& model) {
    if (is_gguf(directory))
        if (const auto kind = read_gguf_kind(directory)) return {.kind = *kind, .normalize = true, .max_tokens = {}};
    const std::filesystem::path list = directory / "modules.json";
    if (!file_exists(list))
        return {
            .kind = model.is_causal ? Pooling::Kind::last : Pooling::Kind::mean, .normalize = true, .max_tokens = {}};
    Pooling pooling{
        .kind = {}, .max_tokens = {}, .prompt = read_prompt(directory / "config_sentence_transformers.json")};
    bool pools = false;
    for (const JsonValue& module : JsonValue::read(list).array()) {
        const JsonValue type = module.at("type");
        const std::string_view kind = kind_of_module(type);
        if (kind == "Pooling") {
            // Whoever writes modules.json names a folder beside it.
            const JsonValue config = JsonValue::read(directory / module.at("path").string() / "config.json");
            pooling.kind = read_kind(config);
            const auto with_prompt = config.given("include_prompt");
            if (with_prompt && !with_prompt->boolean() && !pooling.prompt.empty())
                with_prompt->refuse("true, since a prompt's tokens are not told from those of a text");
            pools = true;
        } else if (kind == "Normalize") {
            pooling.normalize = true;
        } else if (kind != "Transformer") {
            type.refuse("a Transformer, Pooling or Normalize");
        } else if (const auto path = module.given("path"); path && !path->string().empty()) {
            path->refuse("an empty path, since the model is read from the directory itself");
        }
    }
    if (!pools) fail("modules.json: expected a module of the type Pooling, found none");
    const std::filesystem::path texts = directory / "sentence_bert_config.json";
    if (!file_exists(texts)) return pooling;
    const JsonValue config = JsonValue::read(texts);
    if (const auto most = config.given("max_seq_length")) pooling.max_tokens = most->integer(1, kMaxTokens);
    if (const auto lower = config.given("do_lower_case"); lower && lower->boolean())
        lower->refuse("false, since letters reach the tokenizer as they are");
    return pooling;
}

}  // namespace vitro
