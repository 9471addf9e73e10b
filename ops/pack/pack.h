// Weights put in the order in which a kernel reads them
#pragma once

#include "graph/builder.h"

namespace vitro {

struct Pack {
    DType dtype = DType::q8_0_r16;  // of the output, what packs the input's
    bool operator==(const Pack&) const = default;
    static void fields(auto& self, auto&& field) { field("dtype", self.dtype); }
};

extern const OpDef kPack;

/// out = x in a packed type (base/packed.h): the same numbers. x: block-quantized [N, K], N a multiple of the rows that
/// a packed block holds, K of its columns.
Value pack(At at, Value x, Pack attributes);

}  // namespace vitro
