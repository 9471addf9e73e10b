// Weights in blocks of 4 to 8 bits a number
#pragma once

#include "graph/builder.h"

namespace vitro {

struct Quantize {
    DType dtype = DType::q8_0;  // of the output, block-quantized
    bool operator==(const Quantize&) const = default;
    static void fields(auto& self, auto&& field) { field("dtype", self.dtype); }
};

extern const OpDef kQuantize;

/// out = x rounded to blocks of `dtype`, one that has a quantizer (base/quantize.h). x: float, its last dimension a
/// multiple of the block.
Value quantize(At at, Value x, Quantize attributes);

}  // namespace vitro
