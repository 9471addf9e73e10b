// Dimensions in another order.
#pragma once

#include "graph/builder.h"
#include "ops/common/strided.h"

namespace vitro {

struct Transpose {
    std::vector<std::int64_t> permutation;  // dimension i of the output is dimension permutation[i] of x
    bool operator==(const Transpose&) const = default;
    static void fields(auto& self, auto&& field) { field("permutation", self.permutation, between(0, kMaxRank - 1)); }
};

extern const OpDef kTranspose;

/// The op as copies, done by `copy`.
void transpose_by(const Call& call, CopyView copy);

/// x: any dtype. out: x's dtype, dimension i is dimension permutation[i] of x: {1, 0, 2} makes [T, n, d] to [n, T, d].
Value transpose(At at, Value x, std::vector<std::int64_t> permutation);

}  // namespace vitro
