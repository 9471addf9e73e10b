#include "frontend/chat_format.h"

#include "base/error.h"
#include "frontend/chat_templates.h"
#include "frontend/file.h"
#include "frontend/gguf/gguf.h"
#include "frontend/json.h"
#include "frontend/tokenizer/unicode.h"

#include <algorithm>
#include <array>
#include <optional>

namespace vitro {
namespace {

struct Source {
    std::string text;
    std::string file;
};

constexpr std::size_t kMaxBytes = jinja::Limits{}.max_source_bytes;

/// The default one of several named templates, or the only one.
std::optional<std::string> template_in(const JsonValue& config) {
    const std::optional<JsonValue> value = config.given("chat_template");
    if (!value) return std::nullopt;
    if (value->is_string()) return std::string(value->string());
    if (!value->is_array()) value->refuse("a template or an array of named ones");
    for (const JsonValue& named : value->array())
        if (named.at("name").string() == "default") return std::string(named.at("template").string());
    value->refuse("a template named \"default\"");
}

std::optional<JsonValue> tokenizer_config(const std::filesystem::path& directory) {
    const std::filesystem::path path = directory / "tokenizer_config.json";
    return file_exists(path) ? std::optional(JsonValue::read(path)) : std::nullopt;
}

std::optional<Source> find_source(const std::filesystem::path& directory, const std::optional<JsonValue>& config) {
    if (is_gguf(directory)) {
        constexpr std::string_view kKey = "tokenizer.chat_template";
        const GgufFile file = GgufFile::open(directory);
        if (const GgufValue* text = file.find_key(kKey))
            return Source{std::string(text->string()), fmt::format("{}: {}", file.name(), kKey)};
    }
    if (file_exists(directory / "chat_template.jinja"))
        return Source{read_file(directory / "chat_template.jinja", kMaxBytes), "chat_template.jinja"};
    if (config)
        if (auto text = template_in(*config))
            return Source{std::move(*text), "tokenizer_config.json: \"chat_template\""};
    if (file_exists(directory / "chat_template.json"))
        if (auto text = template_in(JsonValue::read(directory / "chat_template.json")))
            return Source{std::move(*text), "chat_template.json: \"chat_template\""};
    return std::nullopt;
}

Source source_in(const std::filesystem::path& directory, const std::optional<JsonValue>& config) {
    if (auto source = find_source(directory, config)) return std::move(*source);
    throw NoChatTemplate(
        fmt::format("{}: expected a chat template in chat_template.jinja or tokenizer_config.json, found none",
                    directory.string()));
}

Source chosen_source(std::string_view choice) {
    for (const ChatTemplate& known : chat_templates())
        if (known.name == choice) return {std::string(known.source), fmt::format("chat template {}", choice)};
    const std::filesystem::path file(choice);
    if (!file_exists(file)) fail("chat template: expected {}, found {}", chat_template_choices(), quote(choice));
    return {read_file(file, kMaxBytes), file.filename().string()};
}

/// Adds the special tokens that tokenizer_config.json names, as texts or as objects, to those that are there.
void add_tokens(SpecialTokens& tokens, const JsonValue& config) {
    constexpr std::array<std::string_view, 7> kNames{"bos_token", "eos_token", "unk_token", "sep_token",
                                                     "pad_token", "cls_token", "mask_token"};
    for (const std::string_view name : kNames) {
        const auto value = config.given(name);
        const bool known = std::any_of(tokens.begin(), tokens.end(), [&](const auto& t) { return t.first == name; });
        if (!value || known) continue;
        const JsonValue content = value->is_object() ? value->at("content") : *value;
        tokens.emplace_back(name, content.string());
    }
}

}  // namespace

ChatFormat::ChatFormat(std::string_view source, std::string file, SpecialTokens tokens)
    : template_(source, std::move(file)), tokens_(std::move(tokens)), now_(std::time(nullptr)) {}

ChatFormat ChatFormat::load(const std::filesystem::path& model_directory, SpecialTokens tokens,
                            std::string_view choice) {
    const std::optional<JsonValue> config = tokenizer_config(model_directory);
    Source source = choice.empty() ? source_in(model_directory, config) : chosen_source(choice);
    if (config) add_tokens(tokens, *config);
    return ChatFormat(source.text, std::move(source.file), std::move(tokens));
}

std::string ChatFormat::format(std::span<const Message> messages, bool add_generation_prompt) const {
    const auto text = [](std::string_view bytes) { return jinja::Value::text(replace_invalid_utf8(bytes)); };
    std::vector<jinja::Value> list;
    for (const auto& [role, content] : messages)
        list.push_back(jinja::Value::dict({{text("role"), text(role)}, {text("content"), text(content)}}));
    jinja::Variables variables{{"messages", jinja::Value::list(std::move(list))},
                               {"tools", jinja::None{}},
                               {"documents", jinja::None{}},
                               {"add_generation_prompt", add_generation_prompt}};
    for (const auto& [name, spelling] : tokens_) variables.emplace_back(name, text(spelling));
    return template_.render(variables, now_);
}

std::optional<std::string> chat_template_of(const std::filesystem::path& model_directory) {
    auto source = find_source(model_directory, tokenizer_config(model_directory));
    return source ? std::optional(std::move(source->text)) : std::nullopt;
}

std::string chat_template_choices() {
    std::string choices = "FILE";
    for (const ChatTemplate& known : chat_templates()) (choices += '|') += known.name;
    return choices;
}

}  // namespace vitro
