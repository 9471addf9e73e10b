#include "frontend/chat_format.h"

#include "base/error.h"
#include "frontend/file.h"
#include "frontend/json.h"
#include "frontend/tokenizer/unicode.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>

namespace vitro {
namespace {

constexpr std::size_t kMaxTemplateBytes = std::size_t{1} << 20;

bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

bool has_all(std::string_view text, std::initializer_list<std::string_view> parts) {
    return std::all_of(parts.begin(), parts.end(), [&](std::string_view part) { return has(text, part); });
}

/// As Jinja's trim: Python's str.strip.
std::string_view trimmed(std::string_view text) {
    const auto is_space = [](char32_t c) { return is_whitespace(c) || (c >= 0x1c && c <= 0x1f); };
    while (!text.empty() && is_space(first_char(text).code_point)) text.remove_prefix(first_char(text).length);
    while (!text.empty() && is_space(last_char(text).code_point)) text.remove_suffix(last_char(text).length);
    return text;
}

[[noreturn]] void refuse_role(std::size_t index, std::string_view expected, std::string_view role) {
    fail("message {}: expected role {}, found {}", index, expected, quote(role));
}

std::string format_phi3(std::span<const Message> messages, bool add_generation_prompt, const std::string& eos) {
    std::string text;
    for (std::size_t i = 0; i < messages.size(); ++i) {
        const auto& [role, content] = messages[i];
        if (role != "system" && role != "user" && role != "assistant")
            refuse_role(i, "system, user or assistant", role);
        text += fmt::format("<|{}|>\n{}<|end|>\n", role, content);
    }
    return text + (add_generation_prompt ? "<|assistant|>\n" : eos);
}

std::string format_phi3_initial(std::span<const Message> messages, const std::string& bos) {
    std::string text = bos;
    for (std::size_t i = 0; i < messages.size(); ++i) {
        const auto& [role, content] = messages[i];
        if (role == "user")
            text += fmt::format("<|user|>\n{}<|end|>\n<|assistant|>\n", content);
        else if (role == "assistant")
            text += fmt::format("{}<|end|>\n", content);
        else
            refuse_role(i, "user or assistant (this model's chat template has no other)", role);
    }
    return text;
}

/// Llama 2 and Mistral: user and assistant alternate, user first.
std::string format_instructions(std::span<const Message> messages, ChatFamily family, const std::string& bos,
                                const std::string& eos) {
    const bool llama = family == ChatFamily::llama2;
    const bool has_system = llama && !messages.empty() && messages[0].role == "system";
    std::string text = llama ? "" : bos;
    for (std::size_t i = has_system ? 1 : 0; i < messages.size(); ++i) {
        const auto& [role, content] = messages[i];
        const bool users_turn = (i - (has_system ? 1 : 0)) % 2 == 0;
        if (role != (users_turn ? "user" : "assistant")) refuse_role(i, users_turn ? "user" : "assistant", role);
        if (!llama) {
            text += users_turn ? fmt::format("[INST] {} [/INST]", content) : content + eos;
        } else if (users_turn) {
            std::string system;
            if (has_system && i == 1) system = fmt::format("<<SYS>>\n{}\n<</SYS>>\n\n", messages[0].content);
            text += fmt::format("{}[INST] {} [/INST]", bos, trimmed(system + content));
        } else {
            text += fmt::format(" {} {}", trimmed(content), eos);
        }
    }
    return text;
}

std::string format_llama3(std::span<const Message> messages, bool add_generation_prompt, const std::string& bos) {
    std::string text = messages.empty() ? "" : bos;
    for (const auto& [role, content] : messages)
        text += fmt::format("<|start_header_id|>{}<|end_header_id|>\n\n{}<|eot_id|>", role, trimmed(content));
    return text + (add_generation_prompt ? "<|start_header_id|>assistant<|end_header_id|>\n\n" : "");
}

/// The default one of several named templates, or the only one.
std::optional<std::string> template_of(const JsonValue& config) {
    const std::optional<JsonValue> value = config.given("chat_template");
    if (!value) return std::nullopt;
    if (!value->is_array()) return std::string(value->string());
    for (const JsonValue& named : value->array())
        if (named.at("name").string() == "default") return std::string(named.at("template").string());
    value->refuse("a template named \"default\"");
}

}  // namespace

ChatFamily chat_family_of(std::string_view chat_template, std::string_view file) {
    const auto is = [&](std::initializer_list<std::string_view> parts) { return has_all(chat_template, parts); };
    // Tools, dates and documents are what newer templates put in, with rules of their own.
    const bool plain =
        !has(chat_template, "tools") && !has(chat_template, "strftime") && !has(chat_template, "documents");
    if (plain && is({"<|user|>", "<|end|>", "<|assistant|>", "<|system|>", "add_generation_prompt"}))
        return ChatFamily::phi3;
    if (plain && is({"<|user|>", "<|end|>", "<|assistant|>", "bos_token"}) && !has(chat_template, "system") &&
        !has(chat_template, "add_generation_prompt"))
        return ChatFamily::phi3_initial;
    if (plain && is({"[INST] ", " [/INST]", "<<SYS>>", "strip()"})) return ChatFamily::llama2;
    if (plain && is({"[INST] ", " [/INST]", "eos_token"}) && !has(chat_template, "system") &&
        !has(chat_template, "eos_token + ' '"))
        return ChatFamily::mistral;
    if (plain && is({"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "trim", "add_generation_prompt"}))
        return ChatFamily::llama3;
    fail("{}: expected the chat template of Phi-3, Llama 2, Mistral or Llama 3, found {}", file, quote(chat_template));
}

ChatFormat ChatFormat::load(const std::filesystem::path& model_directory, std::string_view bos, std::string_view eos) {
    const std::filesystem::path jinja = model_directory / "chat_template.jinja";
    const bool has_jinja = std::filesystem::exists(jinja);
    const std::string file = has_jinja ? "chat_template.jinja" : "tokenizer_config.json: \"chat_template\"";
    const std::optional<std::string> text =
        has_jinja ? read_file(jinja, kMaxTemplateBytes)
                  : template_of(JsonValue::read(model_directory / "tokenizer_config.json"));
    if (!text) fail("{}: expected a chat template, found none: this model takes raw prompts only", file);
    return ChatFormat(chat_family_of(*text, file), std::string(bos), std::string(eos));
}

std::string ChatFormat::format(std::span<const Message> messages, bool add_generation_prompt) const {
    switch (family_) {
        case ChatFamily::phi3:
            return format_phi3(messages, add_generation_prompt, eos_);
        case ChatFamily::phi3_initial:
            return format_phi3_initial(messages, bos_);
        case ChatFamily::llama2:
        case ChatFamily::mistral:
            return format_instructions(messages, family_, bos_, eos_);
        case ChatFamily::llama3:
            return format_llama3(messages, add_generation_prompt, bos_);
    }
    return {};
}

}  // namespace vitro
