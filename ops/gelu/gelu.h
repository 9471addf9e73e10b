// x · Φ(x), Φ the normal distribution (Hendrycks and Gimpel 2016)
#pragma once

#include "graph/builder.h"

namespace vitro {

struct Gelu {
    bool tanh = false;  // the paper's approximation instead of erf
    bool operator==(const Gelu&) const = default;
    static void fields(auto& self, auto&& field) { field("tanh", self.tanh); }
};

extern const OpDef kGelu;

/// out[i] = x[i] / 2 · (1 + erf(x[i] / √2)), or with `tanh` x[i] / 2 · (1 + tanh(√(2/π) (x[i] + 0.044715 x[i]³))).
/// x: floats. out: x's type.
Value gelu(At at, Value x, Gelu attributes = {});

}  // namespace vitro
