#include "runtime/model_options.h"

#include <algorithm>

namespace vitro {
namespace {

constexpr std::int64_t kDefaultContext = 4096;
constexpr std::int64_t kPageSize = 16;  // tokens in a page of the KV cache

}  // namespace

LanguageModelOptions completed(LanguageModelOptions options, const ModelConfig& config) {
    if (options.context == 0) options.context = std::min(config.max_positions, kDefaultContext);
    if (options.context < 1 || options.context > config.max_positions)
        fail("context: expected 1 to {} tokens (the model's max_position_embeddings), found {}", config.max_positions,
             options.context);
    if (options.max_sequences < 1) fail("max_sequences: expected at least 1, found {}", options.max_sequences);
    if (options.cache_tokens < 0) fail("cache_tokens: expected at least 0, found {}", options.cache_tokens);
    options.chunk = std::clamp(options.chunk, options.max_sequences, options.context * options.max_sequences);
    return options;
}

std::string_view name(Phase phase) { return phase == Phase::prefill ? "prefill" : "decode"; }

BuildOptions build_options(const LanguageModelOptions& options, Phase phase,
                           std::function<DType(std::string_view)> weight_dtype) {
    const bool prefill = phase == Phase::prefill;
    return {.max_tokens = prefill ? options.chunk : options.max_sequences,
            .max_rows = prefill && options.all_logits ? options.chunk : options.max_sequences,
            .max_sequences = options.max_sequences,
            .context = options.context,
            .page_size = kPageSize,
            .cache_tokens = options.cache_tokens,
            .activation = options.activation,
            .cache = options.cache,
            .hidden_states = options.hidden_states,
            .choose_tokens = options.choose_tokens,
            .weight_dtype = std::move(weight_dtype)};
}

}  // namespace vitro
