// Generation: prompt ids in, text out, token by token.
#pragma once

#include "frontend/tokenizer/tokenizer.h"
#include "runtime/language_model.h"
#include "runtime/sampler.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

struct GenerationOptions {
    std::optional<std::int64_t> max_tokens;  // at most this many new tokens; not set: until the context is full
    SamplingOptions sampling;
    std::vector<std::int64_t> end_tokens;            // any of them ends the text and is not part of it
    std::vector<std::string> stop;                   // the text ends before the first of these
    bool use_cache = true;                           // false: every step computes all tokens again
    const std::atomic<bool>* interrupted = nullptr;  // ends the generation when it becomes true
};

enum class FinishReason : std::uint8_t {
    stop,         // an end token or a stop string
    length,       // max_tokens
    context,      // the context is full: the answer may be cut
    interrupted,  // GenerationOptions::interrupted
};
std::string_view name(FinishReason reason);

struct Generation {
    std::vector<std::int32_t> tokens;  // the new ones, including an end token if there was one
    std::string text;
    FinishReason finish_reason = FinishReason::length;
    std::int64_t cached_tokens = 0;    // how many tokens of the prompt were found in the cache
    std::int64_t computed_tokens = 0;  // how many tokens the model computed, summed over the steps
    std::int64_t reused_tokens = 0;    // how many tokens the steps took from the cache, summed likewise
    double prompt_seconds = 0;         // from the call to the first token
    double decode_seconds = 0;         // from there to the end
};

/// Continues `prompt` as generate() does, but gives only tokens: `options.stop` is ignored. `on_token` gets each token
/// and whether it ends the text; when it returns false, generation stops.
Generation generate_tokens(LanguageModel& model, std::int64_t sequence, std::span<const std::int32_t> prompt,
                           const GenerationOptions& options,
                           const std::function<bool(std::int32_t token, bool ends)>& on_token);

/// Continues `prompt` (at least one token) in sequence `sequence` of the model. The beginning of the prompt that the
/// sequence already has in its cache is not computed again. `on_text` gets each piece of text as soon as no later token
/// can change it. Error when the prompt does not fit the context with room for one more token.
Generation generate(LanguageModel& model, std::int64_t sequence, const Tokenizer& tokenizer,
                    std::span<const std::int32_t> prompt, const GenerationOptions& options,
                    const std::function<void(std::string_view)>& on_text);

}  // namespace vitro
