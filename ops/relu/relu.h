// max(x, 0)
#pragma once

#include "graph/builder.h"

namespace vitro {

extern const OpDef kRelu;

/// out[i] = max(x[i], 0), NaN for NaN. x: floats. out: x's type.
Value relu(At at, Value x);

}  // namespace vitro
