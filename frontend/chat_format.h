// Conversations as the text a chat model was trained on. The families whose templates are common are written out here;
// a directory's template is recognized by what it contains, and one that is not known is an Error, never a guess.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace vitro {

struct Message {
    std::string role;  // "system", "user" or "assistant"
    std::string content;
};

enum class ChatFamily {
    phi3,          ///< <|role|>\ncontent<|end|>\n
    phi3_initial,  ///< Phi-3's first template: starts with bos, has no system role, opens a reply after each user
                   ///< message
    llama2,        ///< <s>[INST] <<SYS>>\nsystem\n<</SYS>>\n\nuser [/INST] assistant </s>
    mistral,       ///< <s>[INST] user [/INST]assistant</s>, without a system role
    llama3,        ///< <|start_header_id|>role<|end_header_id|>\n\ncontent<|eot_id|>
};

/// Turns messages into the text that transformers' apply_chat_template makes of them. Encode it with add_special =
/// false: a template that wants bos has it in its text. As there, role tokens inside a message's content are recognized
/// like any others: who passes on text from strangers must take them out.
class ChatFormat {
public:
    /// `bos` and `eos` are the spellings of the tokenizer's tokens ("<s>").
    ChatFormat(ChatFamily family, std::string bos, std::string eos)
        : family_(family), bos_(std::move(bos)), eos_(std::move(eos)) {}

    /// Reads chat_template.jinja, or else "chat_template" of tokenizer_config.json. Error when neither is there or the
    /// template is of no family above.
    static ChatFormat load(const std::filesystem::path& model_directory, std::string_view bos, std::string_view eos);

    ChatFamily family() const { return family_; }

    /// `add_generation_prompt` opens the assistant's reply, for families that mark where one begins. Error for a role
    /// the family does not have, and where it wants user and assistant to alternate and they do not.
    std::string format(std::span<const Message> messages, bool add_generation_prompt) const;

private:
    ChatFamily family_;
    std::string bos_;
    std::string eos_;
};

/// The family of a Jinja chat template. Error, which names `file`, when it is none of them.
ChatFamily chat_family_of(std::string_view chat_template, std::string_view file);

}  // namespace vitro
