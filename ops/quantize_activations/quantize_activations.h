// Activations rounded to 8 bits, for products with block-quantized weights
#pragma once

#include "graph/builder.h"

namespace vitro {

extern const OpDef kQuantizeActivations;

/// out = x in q8_32: each 32 neighbours in a row have numbers of 8 bits and a scale (base/rounded.h). x: float [T, K],
/// K a multiple of 32.
Value quantize_activations(At at, Value x);

}  // namespace vitro
