// vitro run: a prompt in, its continuation out.
#include "tools/common.h"

#include <nlohmann/json.hpp>

namespace vitro {
namespace {

struct Flags {
    ModelFlags model;
    SamplingOptions sampling;
    TextFlags prompt;
    std::vector<std::int32_t> tokens;  // in place of a prompt
    std::optional<std::int64_t> max_tokens;
    std::vector<std::string> stop;
    bool no_kv_cache = false;
    bool chat = false;
    std::string chat_template;
    bool json = false;
};

std::vector<std::int32_t> prompt_tokens(const Flags& flags, const std::string& text, const Tokenizer& tokenizer) {
    if (!flags.chat) return tokenizer.encode(text);
    const Message message{"user", text};
    return tokenizer.encode(
        chat_format(flags.model.directory, tokenizer, flags.chat_template).format({&message, 1}, true), false);
}

/// Without a tokenizer: token ids in, token ids out.
Generation run_tokens(const Flags& flags, const OpenModel& open, const GenerationOptions& options) {
    return generate_tokens(*open.model, 0, flags.tokens, options, [&](std::int32_t token, bool) {
        if (!flags.json) print_out("{} ", token);
        flush_out();
        return true;
    });
}

Generation run_text(const Flags& flags, const OpenModel& open, const Tokenizer& tokenizer,
                    std::span<const std::int32_t> prompt, const GenerationOptions& options) {
    return generate(*open.model, 0, tokenizer, prompt, options, [&](std::string_view text) {
        if (flags.json) return;
        print_out("{}", text);
        flush_out();
    });
}

int run(const Flags& flags) {
    std::optional<Tokenizer> tokenizer;
    std::string text;
    if (flags.tokens.empty()) {
        text = read_text(flags.prompt);
        tokenizer = open_tokenizer(flags.model);
    }
    catch_interrupt();
    const OpenModel open = open_model(flags.model);
    const auto prompt = tokenizer ? prompt_tokens(flags, text, *tokenizer) : flags.tokens;
    const GenerationOptions options{.max_tokens = flags.max_tokens,
                                    .sampling = flags.sampling,
                                    .end_tokens = open.generation.eos_token_ids,
                                    .stop = flags.stop,
                                    .use_cache = !flags.no_kv_cache,
                                    .interrupted = &interrupted};
    const Generation out =
        tokenizer ? run_text(flags, open, *tokenizer, prompt, options) : run_tokens(flags, open, options);
    if (flags.json) {
        const nlohmann::ordered_json json{
            {"prompt_tokens", prompt},
            {"tokens", out.tokens},
            {"text", out.text},
            {"finish_reason", name(out.finish_reason)},
            {"timings", {{"prompt_seconds", out.prompt_seconds}, {"decode_seconds", out.decode_seconds}}}};
        print_out("{}\n", json.dump());
    } else {
        print_out("\n");
        flush_out();
        if (out.finish_reason == FinishReason::context)
            print_err("(the text ends here because the context of {} tokens is full)\n", open.model->context());
        print_timings(out, prompt.size());
    }
    return out.finish_reason == FinishReason::interrupted ? kInterruptedExit : 0;
}

}  // namespace

void add_run(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add("run", "generate text\nExample: vitro run \"The capital of France is\" -n 16",
                                     [flags] { return run(*flags); });
    add_model_flags(command, flags->model);
    const auto [text, file] = add_text_flags(command, flags->prompt, "the text to continue");
    const Option tokens = command.list("--tokens", flags->tokens,
                                       "token ids to continue; prints token ids; no tokenizer is needed", "1,2,3");
    command.number("-n,--predict", flags->max_tokens, {0}, "generate at most N tokens (default: until the text ends)");
    add_sampling_flags(command, flags->sampling);
    const auto take_stop = [flags](const std::string& stop) {
        if (stop.empty()) fail("expected a text, found ''");
        flags->stop.push_back(stop);
    };
    const Option stop =
        command.repeated("--stop", take_stop, "stop generating before this text; may be repeated", "TEXT");
    command.flag("--no-kv-cache", flags->no_kv_cache,
                 "compute all tokens again for each new one, to see what the cache is for");
    const Option chat = command.flag("--chat", flags->chat, "take the prompt as a user's message to a chat model");
    add_chat_template_flag(command, flags->chat_template).needs(chat);
    tokens.excludes(text).excludes(file).excludes(stop).excludes(chat);
    command.flag("--json", flags->json, "print one JSON object at the end");
}

}  // namespace vitro
