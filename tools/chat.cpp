// vitro chat: a conversation at the terminal; the cache is kept between turns.
#include "tools/common.h"

#include <histedit.h>
#include <unistd.h>

#include <iostream>

namespace vitro {
namespace {

struct Flags {
    ModelFlags model;
    SamplingFlags sampling;
    std::string system;
    std::string chat_template;
    std::optional<std::int64_t> max_tokens;
};

const char* prompt_text(EditLine*) { return "> "; }

/// Lines from a terminal with editing and history, or plainly from a pipe.
class LineReader {
public:
    LineReader() {
        if (!isatty(STDIN_FILENO)) return;
        edit_ = el_init("vitro", stdin, stderr, stderr);
        history_ = history_init();
        if (edit_ == nullptr || history_ == nullptr) fail("the terminal does not work with libedit");
        HistEvent event;
        history(history_, &event, H_SETSIZE, 1000);
        el_set(edit_, EL_PROMPT, prompt_text);
        el_set(edit_, EL_EDITOR, "emacs");
        el_set(edit_, EL_HIST, history, history_);
        el_set(edit_, EL_SIGNAL, 1);
    }
    LineReader(const LineReader&) = delete;
    LineReader& operator=(const LineReader&) = delete;
    ~LineReader() {
        if (edit_ != nullptr) el_end(edit_);
        if (history_ != nullptr) history_end(history_);
    }

    /// The next line without its newline; nothing at the end of the input.
    std::optional<std::string> next() {
        std::string line;
        if (edit_ == nullptr) {
            if (!std::getline(std::cin, line)) return std::nullopt;
            return line;
        }
        int length = 0;
        const char* text = el_gets(edit_, &length);
        if (text == nullptr || length <= 0) return std::nullopt;
        line.assign(text, static_cast<std::size_t>(length));
        if (line.ends_with('\n')) line.pop_back();
        HistEvent event;
        if (!line.empty()) history(history_, &event, H_ENTER, line.c_str());
        return line;
    }

private:
    EditLine* edit_ = nullptr;
    History* history_ = nullptr;
};

int chat(const Flags& flags) {
    const Tokenizer tokenizer = open_tokenizer(flags.model);
    const OpenModel open = open_model(flags.model);
    const ChatFormat format = chat_format(flags.model.directory, tokenizer, flags.chat_template);
    GenerationOptions options{.max_tokens = flags.max_tokens,
                              .sampling = sampling_options(flags.sampling),
                              .end_tokens = open.generation.eos_token_ids,
                              .interrupted = &interrupted};
    std::vector<Message> messages;
    if (!flags.system.empty()) messages.push_back({"system", flags.system});
    LineReader reader;
    while (const auto line = reader.next()) {
        if (line->empty()) continue;
        messages.push_back({"user", *line});
        const auto prompt = tokenizer.encode(format.format(messages, true), false);
        interrupted = false;
        catch_interrupt();
        const Generation out = generate(*open.model, 0, tokenizer, prompt, options, [](std::string_view text) {
            fmt::print("{}", text);
            std::fflush(stdout);
        });
        fmt::print("\n");
        std::fflush(stdout);
        if (out.finish_reason == FinishReason::interrupted && !isatty(STDIN_FILENO)) return kInterruptedExit;
        messages.push_back({"assistant", out.text});
    }
    return 0;
}

}  // namespace

void add_chat(CLI::App& app, int& exit_code) {
    auto flags = std::make_shared<Flags>();
    CLI::App* command = app.add_subcommand(
        "chat",
        "talk with a chat model; Ctrl-C ends an answer, Ctrl-D the conversation\nExample: vitro chat --temp 0.7");
    add_model_flags(*command, flags->model);
    command->add_option("--system", flags->system, "a system message to begin with")->type_name("TEXT");
    add_chat_template_flag(*command, flags->chat_template);
    command->add_option("-n,--predict", flags->max_tokens, "tokens of an answer at most")
        ->type_name("N")
        ->check(CLI::NonNegativeNumber);
    add_sampling_flags(*command, flags->sampling);
    command->callback([flags, &exit_code] { exit_code = chat(*flags); });
}

}  // namespace vitro
