// Tensors one behind the other along one axis.
#pragma once

#include "graph/builder.h"
#include "ops/common/strided.h"

namespace vitro {

struct Concat {
    std::int64_t axis = 0;  // negative: from the innermost
    bool operator==(const Concat&) const = default;
    static void fields(auto& self, auto&& field) { field("axis", self.axis, between(-kMaxRank, kMaxRank - 1)); }
};

extern const OpDef kConcat;

/// The op as copies, done by `copy`, of the inputs that do not stand in their places already.
void concat_by(const Call& call, CopyView copy);

/// out: the xs in order along `axis`, where their sizes are constants; dtype and all other sizes are equal. At least
/// one x, any dtype.
Value concat(At at, std::span<const Value> xs, std::int64_t axis);

}  // namespace vitro
