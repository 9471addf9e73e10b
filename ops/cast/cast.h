// another dtype
#pragma once

#include "graph/builder.h"

namespace vitro {

struct Cast {
    DType dtype = DType::f32;  // of the output
    bool operator==(const Cast&) const = default;
    static void fields(auto& self, auto&& field) { field("dtype", self.dtype, float_dtype()); }
};

extern const OpDef kCast;

/// out[i] = x[i], rounded to nearest even. x: a float, f8e4m3, i32 or blocks. out: x's shape in a float dtype.
Value cast(At at, Value x, Cast attributes);

}  // namespace vitro
