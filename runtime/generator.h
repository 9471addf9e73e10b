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
    std::optional<std::int64_t> max_tokens;  // at most this many new tokens; without: until the context is full
    SamplingOptions sampling;
    std::vector<std::int64_t> end_tokens;            // any of them ends the text and is not part of it
    std::vector<std::string> stop;                   // the text ends before the first of these
    bool use_cache = true;                           // false: every step computes all tokens anew
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
    std::vector<std::int32_t> tokens;  // the new ones; with an end token, that too
    std::string text;
    FinishReason finish_reason = FinishReason::length;
    std::int64_t cached_tokens = 0;                       // of the prompt, found in the cache
    std::int64_t computed_tokens = 0, reused_tokens = 0;  // summed over the steps: by the model, and from the cache
    double prompt_seconds = 0;                            // from the call to the first token
    double decode_seconds = 0;                            // from there to the end
};

/// Continues `prompt` as generate() does, without text: `options.stop` does not count. `on_token` gets each token and
/// whether it ends the text; false stops there.
Generation generate_tokens(LanguageModel& model, std::int64_t sequence, std::span<const std::int32_t> prompt,
                           const GenerationOptions& options,
                           const std::function<bool(std::int32_t token, bool ends)>& on_token);

/// Continues `prompt` (at least one token) in sequence `sequence` of the model. Tokens that the sequence's cache shares
/// with the prompt are not computed again. `on_text` gets each piece of text as soon as it is certain. Error when the
/// prompt does not fit the context with room for one token.
Generation generate(LanguageModel& model, std::int64_t sequence, const Tokenizer& tokenizer,
                    std::span<const std::int32_t> prompt, const GenerationOptions& options,
                    const std::function<void(std::string_view)>& on_text);

}  // namespace vitro
