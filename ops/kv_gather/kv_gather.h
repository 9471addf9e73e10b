// Reads the cached keys or values of the step's sequences out of the paged cache.
#pragma once

#include "graph/builder.h"

namespace vitro {

struct KvGather {
    DType dtype = DType::f32;  // of the output
    Dim rows = 'C';            // of the output, the sum of lengths
    bool operator==(const KvGather&) const = default;
    static void fields(auto& self, auto&& field) {
        field("dtype", self.dtype, float_dtype());
        field("rows", self.rows, at_least(1));
    }

    enum Input : std::size_t { kCache, kPageTable, kLengths };
};

extern const OpDef kKvGather;

/// cache: [P, page, n, d] of a float, f8e4m3 or q8_0, n heads of whole blocks; page_table: i32 [S, M]; lengths: i32 [S],
/// `rows` together.
/// out: `dtype` [rows, n, d], tokens 0 … lengths[0] - 1 of sequence 0, then those of sequence 1, ….
Value kv_gather(At at, Value cache, Value page_table, Value lengths, KvGather attributes);

}  // namespace vitro
