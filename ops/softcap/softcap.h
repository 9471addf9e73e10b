// cap · tanh(x / cap), which holds values within (-cap, cap) (Gemma 2)
#pragma once

#include "graph/builder.h"

namespace vitro {

struct Softcap {
    float cap = 30.0f;  // above 0
    bool operator==(const Softcap&) const = default;
    static void fields(auto& self, auto&& field) { field("cap", self.cap, above(0)); }
};

extern const OpDef kSoftcap;

/// out[i] = cap · tanh(x[i] / cap): nearly x where |x| is small, never beyond ±cap. x: floats. out: x's type.
Value softcap(At at, Value x, Softcap attributes = {});

}  // namespace vitro
