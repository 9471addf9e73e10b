// What the KV cache holds and what it saves, told of a model that has run.
#pragma once

#include "runtime/language_model.h"

namespace vitro {

struct CacheUse {
    std::int64_t length = 0;  // tokens of the sequence, all in the cache
    /// Of each layer's window, summed over the layers: tokens that no later token sees. They stay in the cache.
    std::int64_t layers = 0, layers_with_window = 0;
    std::int64_t smallest_window = 0;  // 0: there is none
    std::int64_t behind_window = 0;    // of `length`, those that no layer reads any more

    // Bytes for each token: by the formula, two (keys and values) times heads times head size times bytes of the type,
    // summed over the layers; and as the cache is laid out.
    DType dtype = DType::f32;
    std::int64_t formula_bytes = 0, token_bytes = 0;
    std::int64_t page_size = 0, pages = 0, all_pages = 0;  // pages that the sequences have, and that there are
    std::int64_t used_bytes = 0, allocated_bytes = 0;      // of these pages
};

/// Of sequence 0 of a model that was opened for one.
CacheUse cache_use(const LanguageModel& model);

/// Tokens that a text of `prompt` and `generated` tokens takes to compute, each new one by itself: with the cache, and
/// when all that is before is computed anew for each.
struct TokenCounts {
    std::int64_t with_cache = 0, without = 0;
};
TokenCounts tokens_to_compute(std::int64_t prompt, std::int64_t generated);

}  // namespace vitro
