// Which tokens the tokens of a layer see, as its configuration says it.
#pragma once

#include "models/config.h"
#include "ops/attention_mask/visibility.h"

namespace vitro {

inline Visibility visibility_of(const ModelConfig& config, const LayerConfig& layer) {
    return {.causal = config.is_causal,
            .window = layer.sliding_window,
            .stride = layer.sparse_stride,
            .summary = layer.sparse_summary};
}

}  // namespace vitro
