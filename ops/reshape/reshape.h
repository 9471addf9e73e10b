// The same elements under another shape.
#pragma once

#include "graph/builder.h"

namespace vitro {

struct Reshape {
    Shape shape;  // of the output
    bool operator==(const Reshape&) const = default;
    static void fields(auto& self, auto&& field) { field("shape", self.shape, at_least(1)); }
};

extern const OpDef kReshape;

/// out: x's dtype and memory, shape `shape`. Symbols and the product of the constants must be those of x.
Value reshape(At at, Value x, Shape shape);

}  // namespace vitro
