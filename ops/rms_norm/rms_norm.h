// Rows scaled to unit root mean square (Zhang and Sennrich 2019)
#pragma once

#include "graph/builder.h"

namespace vitro {

struct RmsNorm {
    float eps = 1e-6f;
    bool operator==(const RmsNorm&) const = default;
    static void fields(auto& self, auto&& field) { field("eps", self.eps, at_least(0)); }
};

extern const OpDef kRmsNorm;

/// out[…, i] = x[…, i] / √(mean_j x[…, j]² + eps) · weight[i]. x: floats [..., H]; weight: floats [H]. out: x's type;
/// all arithmetic is fp32, rounded once.
Value rms_norm(At at, Value x, Value weight, RmsNorm attributes);

}  // namespace vitro
