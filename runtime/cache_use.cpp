#include "runtime/cache_use.h"

#include <algorithm>

namespace vitro {

CacheUse cache_use(const LanguageModel& model) {
    const ModelConfig& config = model.config();
    CacheUse out{.length = std::ssize(model.tokens(0)), .layers = config.n_layers, .dtype = model.options().cache};
    bool all_have_windows = config.n_layers > 0;
    std::int64_t largest = 0;
    for (const LayerConfig& layer : config.layers) {
        out.formula_bytes += 2 * bytes_of({out.dtype, {layer.n_kv_heads, layer.head_dim}}, {});
        all_have_windows &= layer.sliding_window > 0;
        if (layer.sliding_window == 0) continue;
        ++out.layers_with_window;
        largest = std::max(largest, layer.sliding_window);
        if (out.smallest_window == 0 || layer.sliding_window < out.smallest_window)
            out.smallest_window = layer.sliding_window;
    }
    // The next token sees itself and the window less one before it.
    if (all_have_windows) out.behind_window = std::max<std::int64_t>(0, out.length - (largest - 1));

    std::int64_t page_bytes = 0;
    for (const ValueInfo& value : model.program(Phase::decode).graph.values) {
        if (value.kind != ValueKind::state) continue;  // [pages, slots, heads, head_dim]
        const std::int64_t bytes = bytes_of(value.type, {});
        out.allocated_bytes += bytes;
        out.all_pages = value.type.dim(0).size;
        out.page_size = value.type.dim(1).size;
        page_bytes += bytes / out.all_pages;
    }
    if (out.page_size > 0) out.token_bytes = page_bytes / out.page_size;
    out.pages = out.all_pages - model.free_pages();
    out.used_bytes = out.pages * page_bytes;
    return out;
}

TokenCounts tokens_to_compute(std::int64_t prompt, std::int64_t generated) {
    if (generated == 0) return {};
    // The last one that is generated is not computed any more.
    const std::int64_t steps = generated - 1;
    return {prompt + steps, generated * prompt + steps * generated / 2};
}

}  // namespace vitro
