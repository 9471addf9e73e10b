// x · sigmoid(x)
#pragma once

#include "graph/builder.h"

namespace vitro {

extern const OpDef kSilu;

/// out[i] = x[i] / (1 + e^-x[i]). x: floats. out: x's type.
Value silu(At at, Value x);

}  // namespace vitro
