// Rows brought to mean 0 and variance 1 (Ba, Kiros, Hinton 2016)
#pragma once

#include "graph/builder.h"

namespace vitro {

struct LayerNorm {
    float eps = 1e-5f;
    bool operator==(const LayerNorm&) const = default;
    static void fields(auto& self, auto&& field) { field("eps", self.eps, at_least(0)); }

    enum Input : std::size_t { kX, kWeight, kBias };
};

extern const OpDef kLayerNorm;

/// out[…, i] = (x[…, i] - mean) / √(variance + eps) · weight[i] + bias[i], mean and (biased) variance over the row.
/// x: floats [..., H]; weight, bias: floats [H]. out: x's type; all arithmetic is fp32, rounded once.
/// No bias counts as 0.
Value layer_norm(At at, Value x, Value weight, LayerNorm attributes, Value bias = {});

}  // namespace vitro
