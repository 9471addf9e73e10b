// Each index along one axis several times in a row: key and value heads for grouped-query attention.
#pragma once

#include "graph/builder.h"
#include "ops/common/strided.h"

namespace vitro {

struct Repeat {
    std::int64_t axis = 0;   // negative: from the innermost
    std::int64_t times = 1;  // >= 1
    bool operator==(const Repeat&) const = default;
    static void fields(auto& self, auto&& field) {
        field("axis", self.axis, between(-kMaxRank, kMaxRank - 1));
        field("times", self.times, at_least(1));
    }
};

extern const OpDef kRepeat;

/// The op as copies, done by `copy`.
void repeat_by(const Call& call, CopyView copy);

/// out[…, i, …] = x[…, i / times, …] along `axis`, whose size is a constant: [T, n, d] to [T, n * times, d]. x: any
/// dtype.
Value repeat(At at, Value x, Repeat repeat);

}  // namespace vitro
