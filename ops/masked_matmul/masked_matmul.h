// Matrix product in which pairs that a mask leaves out take no part, whatever the second matrix has there.
#pragma once

#include "graph/builder.h"

namespace vitro {

extern const OpDef kMaskedMatmul;

/// out[.., m, n] = sum over the k with mask[m, k] != -inf of a[.., m, k] * b[.., k, n]. a: float [.., M, K]; b: float
/// with a's leading dimensions, [.., K, N]; mask: float [M, K]; out: a's dtype [.., M, N]. The sum is fp32, in the
/// order of k. So a weight of 0 does not make NaN of a value that is not seen.
Value masked_matmul(At at, Value a, Value b, Value mask);

}  // namespace vitro
