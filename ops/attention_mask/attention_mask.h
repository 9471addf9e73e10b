// Which cached tokens each token of the step may see.
#pragma once

#include "graph/builder.h"

namespace vitro {

struct AttentionMask {
    std::int64_t window = 0;  // positions a token sees, itself included; 0: all before it
    bool operator==(const AttentionMask&) const = default;
    static void fields(auto& self, auto&& field) { field("window", self.window); }
};

extern const OpDef kAttentionMask;

/// positions i32 [T], sequences i32 [T], lengths i32 [S]: how many tokens of each sequence the cache holds, C together.
/// out: f32 [T, C], 0 where token t sees key c, -inf where not: see kAttentionMask.doc.
Value attention_mask(At at, Value positions, Value sequences, Value lengths, AttentionMask mask);

}  // namespace vitro
