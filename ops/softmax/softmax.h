// Weights that sum to one
#pragma once

#include "graph/builder.h"

namespace vitro {

/// The inputs of softmax, by position.
struct Softmax {
    enum Input : std::size_t { kX, kSink };
};

extern const OpDef kSoftmax;

/// out[…, i] = e^x[…, i] / Σ_j e^x[…, j] over the last dimension, computed from x less the row's maximum. A row that is
/// -inf throughout (nothing visible) gives zeros, one with NaN or +inf NaN. x: floats, at least one dimension. out: x's
/// type. With a sink, a float [x's first size], e^sink of the row's part is one more term of the sum: what x's rows
/// leave over goes nowhere (Xiao et al. 2023, attention sinks). x then has at least two dimensions.
Value softmax(At at, Value x, Value sink = {});

}  // namespace vitro
