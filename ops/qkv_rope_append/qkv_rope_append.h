// What stands between the projection of q, k and v and attention, in one step: rotary embedding of q and k, and the
// writing of k and v into the paged cache.
#pragma once

#include "ops/rope/rope.h"

namespace vitro {

struct QkvRopeAppend {
    RopeAttributes rope;
    std::int64_t n_heads = 1;  // H, of q; those of k and v are the caches'
    bool operator==(const QkvRopeAppend&) const = default;
    static void fields(auto& self, auto&& field) {
        RopeAttributes::fields(self.rope, field);
        field("n_heads", self.n_heads, between(1, 1 << 20));
    }

    enum Input : std::size_t { kQkv, kKCache, kVCache, kPositions, kSequences, kPageTable, kRopeLengths, kK, kV };

    /// Heads of a row of the qkv of a call or of a node; `heads` are those of the caches.
    std::int64_t row_heads(std::int64_t heads, bool k_is_apart, bool v_is_apart) const {
        return n_heads + (k_is_apart ? 0 : heads) + (v_is_apart ? 0 : heads);
    }
};

extern const OpDef kQkvRopeAppend;

/// The q heads, turned, and the next states of the caches, in the same memory.
struct QkvRopeAppended {
    Value q;  // qkv's dtype [T, H, d]
    Value k_cache, v_cache;
};

/// qkv: float [T, (H + 2 K) * d]: each token's heads of q, of k, of v; without those of k or of v where they are given
/// by themselves, [T, K * d] of qkv's dtype; k_cache, v_cache: one type, [P, page, K, d] of a float, f8e4m3 or q8_0;
/// positions, sequences: i32 [T]; page_table: i32 [S, M]; no two tokens of a sequence have the same position. Where
/// frequencies depend on the length: rope_lengths i32 [S], as rope takes them.
QkvRopeAppended qkv_rope_append(At at, Value qkv, Value k_cache, Value v_cache, Value positions, Value sequences,
                                Value page_table, QkvRopeAppend attributes, Value rope_lengths = {}, Value k = {},
                                Value v = {});

}  // namespace vitro
