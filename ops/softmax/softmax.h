// Weights that sum to one
#pragma once

#include "graph/builder.h"

namespace vitro {

extern const OpDef kSoftmax;

/// out[…, i] = e^x[…, i] / Σ_j e^x[…, j] over the last dimension, computed from x less the row's maximum. A row that is
/// -inf throughout (nothing visible) gives zeros, one with NaN or +inf NaN. x: floats, at least one dimension. out: x's
/// type.
Value softmax(At at, Value x);

}  // namespace vitro
