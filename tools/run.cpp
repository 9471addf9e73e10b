// vitro run: a prompt in, its continuation out.
#include "base/json_text.h"
#include "graph/dump/subject.h"
#include "runtime/cache_use.h"
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
    bool explain_cache = false;
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

nlohmann::ordered_json cache_json(const CacheUse& use, const Generation& out, const TokenCounts& counts) {
    return {{"computed_tokens", out.computed_tokens},
            {"reused_tokens", out.reused_tokens},
            {"computed_tokens_with_cache", counts.with_cache},
            {"computed_tokens_without_cache", counts.without},
            {"tokens", use.length},
            {"smallest_window", use.smallest_window},
            {"layers_with_window", use.layers_with_window},
            {"behind_window", use.behind_window},
            {"dtype", name(use.dtype)},
            {"formula_bytes_per_token", use.formula_bytes},
            {"bytes_per_token", use.token_bytes},
            {"page_size", use.page_size},
            {"pages", use.pages},
            {"all_pages", use.all_pages},
            {"used_bytes", use.used_bytes},
            {"allocated_bytes", use.allocated_bytes}};
}

void print_cache(const Flags& flags, const CacheUse& use, const Generation& out, const TokenCounts& counts) {
    const auto line = [](std::string_view what, const std::string& text) { print_err("  {:<10} {}\n", what, text); };
    print_err("the KV cache\n");
    line("computed", fmt::format("{} tokens; {} were read from the cache in place of computing them again",
                                 out.computed_tokens, out.reused_tokens));
    line(flags.no_kv_cache ? "with it" : "without",
         fmt::format("{} tokens would have been computed", flags.no_kv_cache ? counts.with_cache : counts.without));
    if (use.layers_with_window == 0)
        line("window", "none: every token sees all before it");
    else
        line("window",
             fmt::format("{} of {} layers see {} tokens or more; {} of {} tokens are seen by no layer any "
                         "more, and stay in the cache",
                         use.layers_with_window, use.layers, use.smallest_window, use.behind_window, use.length));
    line("a token",
         fmt::format("{} by the formula (keys and values, {} layers, {}), {} as it is laid out",
                     human(use.formula_bytes, "B"), use.layers, name(use.dtype), human(use.token_bytes, "B")));
    line("in use", fmt::format("{} of {} pages of {} tokens: {} of {}", use.pages, use.all_pages, use.page_size,
                               human(use.used_bytes, "B"), human(use.allocated_bytes, "B")));
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
    const CacheUse use = cache_use(*open.model);
    const TokenCounts counts = tokens_to_compute(std::ssize(prompt), std::ssize(out.tokens));
    if (flags.json) {
        nlohmann::ordered_json json{
            {"prompt_tokens", prompt},
            {"tokens", out.tokens},
            {"text", out.text},
            {"finish_reason", name(out.finish_reason)},
            {"timings", {{"prompt_seconds", out.prompt_seconds}, {"decode_seconds", out.decode_seconds}}}};
        if (flags.explain_cache) json["cache"] = cache_json(use, out, counts);
        print_out("{}\n", json_text(json));
    } else {
        print_out("\n");
        flush_out();
        if (out.finish_reason == FinishReason::context)
            print_err("(the text ends here because the context of {} tokens is full)\n", open.model->context());
        print_timings(out, prompt.size());
        if (flags.explain_cache) print_cache(flags, use, out, counts);
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
    command.flag("--explain-cache", flags->explain_cache,
                 "say afterwards what the KV cache did: tokens computed and reused, windows, bytes, pages");
    const Option chat = command.flag("--chat", flags->chat, "take the prompt as a user's message to a chat model");
    add_chat_template_flag(command, flags->chat_template).needs(chat);
    tokens.excludes(text).excludes(file).excludes(stop).excludes(chat);
    command.flag("--json", flags->json, "print one JSON object at the end");
}

}  // namespace vitro
