// x · y
#pragma once

#include "graph/builder.h"

namespace vitro {

extern const OpDef kMul;

/// out[…] = x[…] · y[…], broadcast as numpy does. x, y: floats. out: x's dtype; the product is fp32.
Value mul(At at, Value x, Value y);

}  // namespace vitro
