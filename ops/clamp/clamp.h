// x held between two values (the clamped SwiGLU of GPT-OSS)
#pragma once

#include "graph/builder.h"

#include <limits>

namespace vitro {

struct Clamp {
    float low = -std::numeric_limits<float>::max(), high = std::numeric_limits<float>::max();
    bool operator==(const Clamp&) const = default;
    static void fields(auto& self, auto&& field) {
        field("low", self.low);
        field("high", self.high);
    }
};

extern const OpDef kClamp;

/// out[i] = low where x[i] < low, else high where x[i] > high, else x[i], also NaN. x: floats. out: x's type.
Value clamp(At at, Value x, Clamp attributes);

}  // namespace vitro
