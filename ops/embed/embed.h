// Token ids to rows of a table
#pragma once

#include "graph/builder.h"

namespace vitro {

struct Embed {
    DType dtype = DType::f32;  // of the output
    bool operator==(const Embed&) const = default;
    static void fields(auto& self, auto&& field) { field("dtype", self.dtype, float_dtype()); }
};

extern const OpDef kEmbed;

/// out[t, :] = table[tokens[t], :]. tokens: i32 [T], each in [0, V) (whoever fills the step checks that); table: float
/// or block-quantized [V, H]. out: [T, H] in `dtype`, a float one.
Value embed(At at, Value tokens, Value table, Embed attributes = {});

}  // namespace vitro
