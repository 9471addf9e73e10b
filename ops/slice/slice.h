// A range along one axis.
#pragma once

#include "graph/builder.h"
#include "ops/common/strided.h"

namespace vitro {

struct Slice {
    std::int64_t axis = 0;   // negative: from the innermost
    std::int64_t begin = 0;  // first index
    std::int64_t end = 0;    // one past the last
    bool operator==(const Slice&) const = default;
    static void fields(auto& self, auto&& field) {
        field("axis", self.axis, between(-kMaxRank, kMaxRank - 1));
        field("begin", self.begin, at_least(0));
        field("end", self.end, at_least(0));
    }
};

extern const OpDef kSlice;

/// The op as copies, done by `copy`.
void slice_by(const Call& call, CopyView copy);

/// out = x[…, begin:end, …] along `axis`, whose size is a constant; 0 <= begin < end <= size. x: any dtype.
Value slice(At at, Value x, Slice slice);

}  // namespace vitro
