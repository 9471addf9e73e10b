// x + y
#pragma once

#include "graph/builder.h"

namespace vitro {

extern const OpDef kAdd;

/// out[…] = x[…] + y[…], broadcast as numpy does. x, y: floats. out: x's dtype; the sum is fp32.
Value add(At at, Value x, Value y);

}  // namespace vitro
