// Consecutive pieces along one axis.
#pragma once

#include "graph/builder.h"
#include "ops/common/strided.h"

namespace vitro {

struct Split {
    std::int64_t axis = 0;            // negative: from the innermost
    std::vector<std::int64_t> sizes;  // of the pieces along the axis, in order
    bool operator==(const Split&) const = default;
    static void fields(auto& self, auto&& field) {
        field("axis", self.axis, between(-kMaxRank, kMaxRank - 1));
        field("sizes", self.sizes, at_least(1));
    }
};

extern const OpDef kSplit;

/// The op as copies, done by `copy`.
void split_by(const Call& call, CopyView copy);

/// One output a piece: out[i] is x from sizes[0] + … + sizes[i - 1] on, sizes[i] long, along `axis`; the sizes add up
/// to x's, which is a constant. x: any dtype.
std::vector<Value> split(At at, Value x, Split split);

}  // namespace vitro
