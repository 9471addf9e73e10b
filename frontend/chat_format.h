// Conversations as the text a chat model was trained on: the model's own Jinja template makes it, as in transformers'
// apply_chat_template. Nothing is guessed from a template's words.
#pragma once

#include "base/error.h"
#include "frontend/jinja/template.h"

#include <ctime>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitro {

struct Message {
    std::string role;  // "system", "user", "assistant" or what else the template knows
    std::string content;
};

/// The tokens that templates speak of by name, with their spellings: {"bos_token", "<s>"}. One that is not here is
/// undefined to the template, which prints nothing for it.
using SpecialTokens = std::vector<std::pair<std::string, std::string>>;

/// Turns messages into text. Encode it with add_special = false: a template that wants bos has it in its text. As in
/// transformers, role tokens inside a message's content are recognized like any others: who passes on text from
/// strangers must take them out.
class ChatFormat {
public:
    /// Error, which speaks of `file`, when `source` is no Jinja template. What strftime_now tells is the time of this
    /// call, so that a conversation's beginning stays as it is.
    ChatFormat(std::string_view source, std::string file, SpecialTokens tokens);

    /// `choice` is a built-in template's name (chat_templates.h) or a file; empty for the directory's own template:
    /// chat_template.jinja, or "chat_template" of tokenizer_config.json (the one named "default" of several), or of
    /// chat_template.json; of a GGUF file, "tokenizer.chat_template". `tokens` are used beside those that
    /// tokenizer_config.json names, and before them. Error when there is none.
    static ChatFormat load(const std::filesystem::path& model_directory, SpecialTokens tokens,
                           std::string_view choice = {});

    /// `add_generation_prompt` opens the assistant's reply, where the template marks where one begins. Error, with the
    /// template's line, when the template refuses the messages.
    std::string format(std::span<const Message> messages, bool add_generation_prompt) const;

private:
    jinja::Template template_;
    SpecialTokens tokens_;
    std::time_t now_;
};

/// A model directory without a chat template.
class NoChatTemplate : public Error {
public:
    using Error::Error;
};

/// A model's own chat template, where it has one.
std::optional<std::string> chat_template_of(const std::filesystem::path& model_directory);

/// "FILE|chatml|gemma|...": what `choice` may be.
std::string chat_template_choices();

}  // namespace vitro
