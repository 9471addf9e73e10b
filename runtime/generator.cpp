#include "runtime/generator.h"

#include "frontend/tokenizer/detokenizer.h"
#include "runtime/append.h"
#include "runtime/errors.h"
#include "runtime/expect.h"

#include <algorithm>
#include <chrono>

namespace vitro {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// How many of `tokens` need not be computed: those the cache has, but the last, whose logits are wanted.
std::size_t reusable(const LanguageModel& model, std::int64_t sequence, std::span<const std::int32_t> tokens) {
    const auto cached = model.tokens(sequence);
    const auto shared =
        std::mismatch(cached.begin(), cached.end(), tokens.begin(), tokens.end()).first - cached.begin();
    return std::min(static_cast<std::size_t>(shared), tokens.size() - 1);
}

/// The token after `tokens`, of which only what the cache lacks is computed, or everything without a cache. It is
/// chosen where the logits are, unless they are changed before.
std::int32_t token_after(LanguageModel& model, std::int64_t sequence, std::span<const std::int32_t> tokens,
                         const GenerationOptions& options, Sampler& sampler, Generation& out) {
    const std::size_t kept = options.use_cache ? reusable(model, sequence, tokens) : 0;
    model.truncate(sequence, static_cast<std::int64_t>(kept));
    out.reused_tokens += static_cast<std::int64_t>(kept);
    out.computed_tokens += static_cast<std::int64_t>(tokens.size() - kept);
    StepPart work{.sequence = sequence, .tokens = tokens.subspan(kept)};
    if (!samples_by_row(options.sampling)) return sampler.sample(append(model, work).values, tokens);
    work.want = Want::token;
    work.sample = sample_row(options.sampling, tokens.size());
    return append(model, work).tokens.front();
}

}  // namespace

std::string_view name(FinishReason reason) {
    static constexpr std::string_view kNames[] = {"stop", "length", "context", "interrupted"};
    return kNames[static_cast<std::size_t>(reason)];
}

Generation generate_tokens(LanguageModel& model, std::int64_t sequence, std::span<const std::int32_t> prompt,
                           const GenerationOptions& options,
                           const std::function<bool(std::int32_t token, bool ends)>& on_token) {
    const auto context = static_cast<std::size_t>(model.context());
    expect_language_model(model.config());
    if (prompt.empty()) fail("the prompt has no tokens: expected at least one");
    if (prompt.size() >= context)
        throw ContextError(
            fmt::format("the prompt is {} tokens long, but the context of {} has room for {} and one new token",
                        prompt.size(), context, context - 1));

    Sampler sampler(options.sampling, model.config().vocab_size);
    Generation out{.finish_reason = FinishReason::length};
    std::vector<std::int32_t> tokens(prompt.begin(), prompt.end());
    tokens.reserve(context);
    if (options.use_cache) out.cached_tokens = static_cast<std::int64_t>(reusable(model, sequence, tokens));
    auto start = Clock::now();
    const std::size_t limit =
        options.max_tokens ? static_cast<std::size_t>(std::max<std::int64_t>(0, *options.max_tokens)) : context;
    while (out.tokens.size() < limit && tokens.size() < context) {
        if (options.interrupted != nullptr && *options.interrupted) {
            out.finish_reason = FinishReason::interrupted;
            break;
        }
        const std::int32_t token = token_after(model, sequence, tokens, options, sampler, out);
        if (out.tokens.empty()) {
            out.prompt_seconds = seconds_since(start);
            start = Clock::now();
        }
        tokens.push_back(token);
        out.tokens.push_back(token);
        const bool ends =
            std::find(options.end_tokens.begin(), options.end_tokens.end(), token) != options.end_tokens.end();
        if (!on_token(token, ends) || ends) {
            out.finish_reason = FinishReason::stop;
            break;
        }
    }
    if (out.finish_reason == FinishReason::length && out.tokens.size() < limit)
        out.finish_reason = FinishReason::context;
    out.decode_seconds = seconds_since(start);
    return out;
}

Generation generate(LanguageModel& model, std::int64_t sequence, const Tokenizer& tokenizer,
                    std::span<const std::int32_t> prompt, const GenerationOptions& options,
                    const std::function<void(std::string_view)>& on_text) {
    Detokenizer detokenizer(tokenizer, prompt, {.stop = options.stop});
    std::string all;
    const auto emit = [&](std::string text) {
        if (text.empty()) return;
        on_text(text);
        all += text;
    };
    Generation out = generate_tokens(model, sequence, prompt, options, [&](std::int32_t token, bool ends) {
        if (!ends) emit(detokenizer.push(token));
        return !detokenizer.stopped();
    });
    emit(detokenizer.finish());
    out.text = std::move(all);
    return out;
}

}  // namespace vitro
