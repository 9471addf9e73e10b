// vitro run: a prompt in, its continuation out.
#include "tools/common.h"

#include <nlohmann/json.hpp>

namespace vitro {
namespace {

struct Flags {
    ModelFlags model;
    SamplingFlags sampling;
    std::string prompt;
    std::vector<std::int32_t> tokens;  // in place of a prompt
    std::optional<std::int64_t> max_tokens;
    std::vector<std::string> stop;
    bool no_kv_cache = false;
    bool chat = false;
    std::string chat_template;
    bool json = false;
};

std::vector<std::int32_t> prompt_tokens(const Flags& flags, const Tokenizer& tokenizer) {
    if (!flags.chat) return tokenizer.encode(flags.prompt);
    const Message message{"user", flags.prompt};
    return tokenizer.encode(
        chat_format(flags.model.directory, tokenizer, flags.chat_template).format({&message, 1}, true), false);
}

/// Without a tokenizer: token ids in, token ids out.
Generation run_tokens(const Flags& flags, const OpenModel& open, const GenerationOptions& options) {
    return generate_tokens(*open.model, 0, flags.tokens, options, [&](std::int32_t token, bool) {
        if (!flags.json) fmt::print("{} ", token);
        std::fflush(stdout);
        return true;
    });
}

Generation run_text(const Flags& flags, const OpenModel& open, const Tokenizer& tokenizer,
                    std::span<const std::int32_t> prompt, const GenerationOptions& options) {
    return generate(*open.model, 0, tokenizer, prompt, options, [&](std::string_view text) {
        if (flags.json) return;
        fmt::print("{}", text);
        std::fflush(stdout);
    });
}

int run(const Flags& flags) {
    catch_interrupt();
    std::optional<Tokenizer> tokenizer;
    if (flags.tokens.empty()) tokenizer = open_tokenizer(flags.model);
    const OpenModel open = open_model(flags.model);
    const auto prompt = tokenizer ? prompt_tokens(flags, *tokenizer) : flags.tokens;
    const GenerationOptions options{.max_tokens = flags.max_tokens,
                                    .sampling = sampling_options(flags.sampling),
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
        fmt::print("{}\n", json.dump());
    } else {
        fmt::print("\n");
        std::fflush(stdout);
        print_timings(out, prompt.size());
    }
    return out.finish_reason == FinishReason::interrupted ? kInterruptedExit : 0;
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
    auto flags = std::make_shared<Flags>();
    CLI::App* command =
        app.add_subcommand("run", "generate text\nExample: vitro run \"The capital of France is\" -n 16");
    add_model_flags(*command, flags->model);
    CLI::Option_group* what = command->add_option_group("prompt", "what to continue");
    what->add_option("-p,--prompt,prompt", flags->prompt, "the text to continue")->type_name("PROMPT");
    what->add_option("--tokens", flags->tokens, "token ids to continue, by token ids: no tokenizer is needed")
        ->delimiter(',')
        ->type_name("1,2,3");
    what->require_option(1);
    command->add_option("-n,--predict", flags->max_tokens, "new tokens at most (default: until the text ends)")
        ->type_name("N")
        ->check(CLI::NonNegativeNumber);
    add_sampling_flags(*command, flags->sampling);
    command->add_option("--stop", flags->stop, "end before this text; may be repeated")->type_name("S");
    command->add_flag("--no-kv-cache", flags->no_kv_cache,
                      "compute all tokens anew for each, to see what the cache is for");
    CLI::Option* chat = command->add_flag("--chat", flags->chat, "the prompt is a user's message to a chat model");
    add_chat_template_flag(*command, flags->chat_template)->needs(chat);
    command->add_flag("--json", flags->json, "print one JSON object at the end");
    command->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace vitro
