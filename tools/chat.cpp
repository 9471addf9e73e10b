// vitro chat: a conversation at the terminal; the cache is kept between turns.
#include "base/json_text.h"
#include "base/nearest.h"
#include "frontend/file.h"
#include "runtime/errors.h"
#include "tools/common.h"
#include "tools/line_reader.h"

#include <nlohmann/json.hpp>

#include <array>

namespace vitro {
namespace {

struct Flags {
    ModelFlags model;
    SamplingOptions sampling;
    std::string system;
    std::string chat_template;
    std::optional<std::int64_t> max_tokens;
    bool context_shift = false;
};

constexpr std::string_view kHelp =
    "  /reset      begin a new conversation\n"
    "  /save FILE  write the conversation to a file, as JSON\n"
    "  /help       this list\n"
    "  exit        end the chat, as Ctrl-D does\n"
    "Ctrl-C ends an answer, or clears what is typed. A line that ends with a backslash goes on in the next one. A "
    "message\n"
    "that begins with a slash and is no command begins with a space.\n";

class Conversation {
public:
    explicit Conversation(const Flags& flags)
        : flags_(flags),
          tokenizer_(open_tokenizer(flags.model)),
          open_(open_model(flags.model)),
          format_(chat_format(flags.model.directory, tokenizer_, flags.chat_template)) {
        reset();
    }

    void reset() {
        messages_.clear();
        if (!flags_.system.empty()) messages_.push_back({"system", flags_.system});
    }

    /// Prints the answer. ContextError when the conversation has grown too long; it is as before then.
    FinishReason answer(const std::string& text) {
        check_mapped_files();
        const std::vector<Message> before = messages_;
        messages_.push_back({"user", text});
        try {
            const std::vector<std::int32_t> prompt = prompt_tokens();
            const GenerationOptions options{.max_tokens = flags_.max_tokens,
                                            .sampling = flags_.sampling,
                                            .end_tokens = open_.generation.eos_token_ids,
                                            .interrupted = &interrupted};
            interrupted = false;
            catch_interrupt();
            const Generation out = generate(*open_.model, 0, tokenizer_, prompt, options, [](std::string_view piece) {
                write_out(piece);
                flush_out();
            });
            write_out("\n");
            flush_out();
            if (out.finish_reason == FinishReason::context)
                print_err("(the answer ends here because the context of {} tokens is full)\n", context());
            messages_.push_back({"assistant", out.text});
            return out.finish_reason;
        } catch (const Error&) {
            messages_ = before;
            throw;
        }
    }

    std::string json() const {
        nlohmann::ordered_json list = nlohmann::json::array();
        for (const Message& message : messages_) list.push_back({{"role", message.role}, {"content", message.content}});
        // What was typed may be any bytes; JSON is UTF-8.
        return json_text(list, 2) + "\n";
    }

private:
    std::size_t context() const { return static_cast<std::size_t>(open_.model->context()); }

    /// What the messages are for the model, after dropping the oldest turns where the flags want it.
    std::vector<std::int32_t> prompt_tokens() {
        const std::size_t first = flags_.system.empty() ? 0 : 1;
        const auto reserve = std::min<std::size_t>(
            context() / 4, static_cast<std::size_t>(flags_.max_tokens.value_or(open_.model->context())));
        for (std::size_t dropped = 0;; ++dropped) {
            std::vector<std::int32_t> tokens = tokenizer_.encode(format_.format(messages_, true), false);
            const bool is_last = messages_.size() <= first + 1;
            if (tokens.size() < context() &&
                (!flags_.context_shift || is_last || tokens.size() + reserve <= context())) {
                if (dropped > 0) print_err("(the oldest {} dropped)\n", dropped == 1 ? "turn is" : "turns are");
                return tokens;
            }
            if (!flags_.context_shift && !is_last)
                throw ContextError(fmt::format(
                    "the conversation is {} tokens long, but the context of {} has room for {} and an answer: /reset "
                    "begins a new one; with --context-shift the oldest turns are dropped",
                    tokens.size(), context(), context() - 1));
            if (is_last)
                throw ContextError(
                    fmt::format("the message is {} tokens long, but the context of {} has room for {} and an answer",
                                tokens.size(), context(), context() - 1));
            // A question with its answer.
            messages_.erase(messages_.begin() + std::ptrdiff_t(first), messages_.begin() + std::ptrdiff_t(first + 2));
        }
    }

    const Flags& flags_;
    Tokenizer tokenizer_;
    OpenModel open_;
    ChatFormat format_;
    std::vector<Message> messages_;
};

/// Whether a message is a command: /word and what it is about.
bool is_command(const std::string& message) {
    const std::string_view word = std::string_view(message).substr(0, message.find_first_of(" \n"));
    return word.starts_with('/') && word.find('/', 1) == std::string_view::npos;
}

void run_command(Conversation& conversation, const std::string& message) {
    constexpr std::array<std::string_view, 3> kCommands = {"/help", "/reset", "/save"};
    const std::size_t space = message.find(' ');
    const std::string word = message.substr(0, space);
    std::string about = space == std::string::npos ? "" : message.substr(space + 1);
    while (about.ends_with(' ')) about.pop_back();
    if (word == "/help") {
        write_err(kHelp);
    } else if (word == "/reset") {
        conversation.reset();
        write_err("(a new conversation)\n");
    } else if (word == "/save") {
        if (about.empty()) fail("/save: expected the name of a file, such as /save chat.json");
        print_or_write(conversation.json(), about);
        print_err("({} is written)\n", about);
    } else {
        const std::string hint = did_you_mean(word, kCommands);
        fail("no command is called '{}'{}", word, hint.empty() ? ": /help lists those there are" : hint);
    }
}

int chat(const Flags& flags) {
    Conversation conversation(flags);
    LineReader reader(chat_history_file());
    if (reader.is_terminal()) write_err("/help lists the commands\n");
    int exit_code = 0;
    while (const auto message = reader.next()) {
        if (message->find_first_not_of(" \t\n") == std::string::npos) continue;
        if (*message == "exit" || *message == "quit" || *message == "/exit" || *message == "/quit") break;
        check_mapped_files();
        try {
            if (is_command(*message))
                run_command(conversation, *message);
            else if (conversation.answer(*message) == FinishReason::interrupted && !reader.is_terminal())
                return kInterruptedExit;
        } catch (const Error& error) {
            flush_out();
            print_err("error: {}\n", error.what());
            if (!reader.is_terminal()) exit_code = 1;
        }
    }
    return exit_code;
}

}  // namespace

void add_chat(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add(
        "chat",
        "talk with a chat model; Ctrl-C ends an answer, Ctrl-D the conversation\nExample: vitro chat --temp 0.7",
        [flags] { return chat(*flags); });
    add_model_flags(command, flags->model);
    command.option("--system", flags->system, "a system message to begin with", "TEXT");
    add_chat_template_flag(command, flags->chat_template);
    command.number("-n,--predict", flags->max_tokens, {0}, "at most N tokens per answer");
    command.flag("--context-shift", flags->context_shift,
                 "drop the oldest turns when the conversation no longer fits the context");
    add_sampling_flags(command, flags->sampling);
}

}  // namespace vitro
