// Attention over the paged cache in one step: scores, mask, softmax and values, without a score in memory.
#pragma once

#include "graph/builder.h"
#include "ops/attention_mask/visibility.h"

namespace vitro {

struct Attention {
    float scale = 1.0f;  // of the scores, commonly 1 / sqrt(d)
    Visibility visibility;
    Dim keys = 'C';     // how many positions the caches hold of all sequences together, for the decomposition
    float softcap = 0;  // the scores, scaled, are held within ±softcap by the op of that name; 0: they are not
    bool operator==(const Attention&) const = default;
    static void fields(auto& self, auto&& field) {
        field("scale", self.scale);
        Visibility::fields(self.visibility, field);
        field("keys", self.keys, at_least(1));
        field("softcap", self.softcap, at_least(0));
    }

    enum Input : std::size_t { kQ, kKCache, kVCache, kPositions, kSequences, kPageTable, kLengths };

    /// The rule of visibility for the tokens of a call.
    static Visible visible(const Call& call) {
        return {call.in(kPositions).as<std::int32_t>(), call.in(kSequences).as<std::int32_t>(),
                call.in(kLengths).as<std::int32_t>(), call.attributes.as<Attention>().visibility};
    }
};

extern const OpDef kAttention;

/// q: float [T, H, d]; k_cache, v_cache: one float dtype, [P, page, K, d] with K a divisor of H; positions, sequences:
/// i32 [T]; page_table: i32 [S, M]; lengths: i32 [S], how many positions of each sequence the caches hold, those of
/// this step included.
/// out: q's dtype [T, H * d]: for each token and head the mean of the values that it sees, weighted by the softmax of
/// scale * q·k; head h reads head h / (H / K) of the caches. See kAttention.doc. What is in fp32 stays in fp32 until
/// the end.
Value attention(At at, Value q, Value k_cache, Value v_cache, Value positions, Value sequences, Value page_table,
                Value lengths, Attention attributes);

}  // namespace vitro
