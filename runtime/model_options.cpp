#include "runtime/model_options.h"

#include <algorithm>
#include <limits>

namespace vitro {
namespace {

constexpr std::int64_t kDefaultContext = 4096;
constexpr std::int64_t kPageSize = 16;  // tokens in a page of the KV cache
// Positions, lengths and pages are i32 in a step; these bounds keep products of them within 63 bits, too.
constexpr std::int64_t kMostContext = std::int64_t{1} << 30;
constexpr std::int64_t kMostSequences = std::int64_t{1} << 20;
constexpr std::int64_t kMostPages = std::numeric_limits<std::int32_t>::max();

}  // namespace

LanguageModelOptions completed(LanguageModelOptions options, const ModelConfig& config) {
    if (options.context == 0) options.context = std::min(config.max_positions, kDefaultContext);
    const std::int64_t most_context = std::min(config.max_positions, kMostContext);
    if (options.context < 1 || options.context > most_context)
        fail("context: expected 1 to {} tokens (the model's max_position_embeddings), found {}", most_context,
             options.context);
    if (options.max_sequences < 1 || options.max_sequences > kMostSequences)
        fail("max_sequences: expected 1 to {}, found {}", kMostSequences, options.max_sequences);
    if (options.cache_tokens < 0) fail("cache_tokens: expected at least 0, found {}", options.cache_tokens);
    if (is_block_quantized(options.cache))
        for (const LayerConfig& layer : config.layers)
            if (const std::int64_t block = info(options.cache).block_elements; layer.head_dim % block != 0)
                fail("the KV cache: {} keeps heads of a multiple of {} elements, found {}: choose f16, bf16 or fp8",
                     name(options.cache), block, layer.head_dim);
    if (config.head == Head::none) options.hidden_states = true;
    if (!config.is_causal) options.chunk = std::max(options.chunk, options.context);  // a text comes in one step
    const std::int64_t all_tokens = options.context * options.max_sequences;
    options.cache_tokens = std::min(options.cache_tokens, all_tokens);
    options.chunk = std::clamp(options.chunk, options.max_sequences, all_tokens);
    const std::int64_t pages = build_options(options, Phase::prefill, nullptr).cache_pages();
    if (pages > kMostPages || options.chunk > kMostPages)
        fail("the KV cache: expected at most {} pages of {} tokens and as many tokens in a step, found {} and {}",
             kMostPages, kPageSize, pages, options.chunk);
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
