// Which cached tokens each token of the step may see.
#pragma once

#include "graph/builder.h"
#include "ops/attention_mask/visibility.h"

namespace vitro {

struct AttentionMask {
    Visibility visibility;
    Dim keys = 'C';  // how many there are, the sum of lengths
    bool operator==(const AttentionMask&) const = default;
    static void fields(auto& self, auto&& field) {
        Visibility::fields(self.visibility, field);
        field("keys", self.keys, at_least(1));
    }

    enum Input : std::size_t { kPositions, kSequences, kLengths };
};

extern const OpDef kAttentionMask;

/// positions i32 [T], sequences i32 [T], lengths i32 [S]: how many tokens of each sequence the cache holds,
/// `keys` together. out: f32 [T, keys], 0 where token t sees key c, -inf where not: see kAttentionMask.doc.
Value attention_mask(At at, Value positions, Value sequences, Value lengths, AttentionMask mask);

}  // namespace vitro
