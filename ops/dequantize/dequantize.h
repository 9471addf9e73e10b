// What stands in blocks as the numbers it stands for
#pragma once

#include "graph/builder.h"

namespace vitro {

extern const OpDef kDequantize;

/// x: a block-quantized (base/blocks.h), packed (base/packed.h) or rounded type (base/rounded.h), whose blocks lie
/// along the last dimension. out: f32 of x's shape, the same bits on every machine.
Value dequantize(At at, Value x);

}  // namespace vitro
