// Every architecture there is, and what a graph of one is built for.
#pragma once

#include "models/architecture.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string_view>

namespace vitro {

/// Bounds and types of a model's graph. Inputs of every graph (i32): tokens [T], positions [T], sequences [T] (which of
/// the step's sequences a token belongs to), page_table [S, pages_per_sequence], lengths [S] (tokens in the cache after
/// this step), rows [R] (the tokens whose logits are wanted) and, for a rope that depends on it, rope_lengths [S] (the
/// length that decides between short and long factors). Result: logits f32 [R, n_outputs], unless the
/// model has no head; without one, or with `hidden_states`, hidden_states f32 [R, hidden_size], what the head reads;
/// with `choose_tokens` also next_tokens i32 [R], from the inputs sample_options f32 [R, 3] and sample_integers i32 [R,
/// 4] (ops/sample).
struct BuildOptions {
    std::int64_t max_tokens = 1;     // bound of T
    std::int64_t max_rows = 1;       // bound of R
    std::int64_t max_sequences = 1;  // bound of S
    std::int64_t context = 1;        // longest sequence; C is bounded by max_sequences * context, rounded up to pages
    std::int64_t page_size = 16;     // tokens in a page of the KV cache
    std::int64_t cache_tokens = 0;   // that the KV cache has pages for; 0: for every sequence at full length
    DType activation = DType::f32;   // of everything between embedding and logits
    DType cache = DType::f32;        // of the KV cache
    bool hidden_states = false;      // what the head reads is a result, too
    bool choose_tokens = false;      // the graph ends in the choice of the next tokens
    /// dtype of a checkpoint tensor; null: the configuration's.
    std::function<DType(std::string_view name)> weight_dtype;

    std::int64_t pages_per_sequence() const { return pages_for(context); }
    /// Never more than all sequences can fill.
    std::int64_t cache_pages() const {
        const std::int64_t all = max_sequences * pages_per_sequence();
        return cache_tokens == 0 ? all : std::min(all, pages_for(cache_tokens));
    }
    /// The bounds of the graph's symbols.
    std::map<char, std::int64_t> bounds() const {
        return {{'T', max_tokens},
                {'R', max_rows},
                {'S', max_sequences},
                {'C', max_sequences * pages_per_sequence() * page_size}};
    }

private:
    std::int64_t pages_for(std::int64_t tokens) const { return (tokens + page_size - 1) / page_size; }
};

std::span<const Architecture* const> architectures();

struct NamedArchitecture {
    const Architecture* architecture;
    Head head;
};
/// The architecture that config.json spells so, also where that names another head than the row: LlamaModel,
/// LlamaForSequenceClassification, LlamaForTokenClassification.
std::optional<NamedArchitecture> named_architecture(std::string_view name);

/// The naive graph of the model: no fused op, weights as the checkpoint has them. Error when its architecture is
/// unknown.
Graph build_model(const ModelConfig& config, const BuildOptions& options);

}  // namespace vitro
