// Block-quantized weights as the numbers they stand for.
#pragma once

#include "graph/builder.h"

namespace vitro {

extern const OpDef kDequantize;

/// x: a block-quantized type (base/blocks.h), whose blocks lie along the last dimension. out: f32 of x's shape, the
/// same bits on every machine.
Value dequantize(At at, Value x);

}  // namespace vitro
