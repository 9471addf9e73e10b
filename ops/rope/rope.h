// Rotary position embedding (Su et al. 2021), with LongRoPE's two sets of factors (Ding et al. 2024).
#pragma once

#include "graph/builder.h"

#include <span>

namespace vitro {

/// The scalings of a configuration (linear, llama3, longrope) are all factors of the wavelengths.
struct RopeAttributes {
    float theta = 10000.0f;           // base of the frequencies
    std::int64_t rotary_dim = 0;      // how many elements of a head turn, the first ones; even; 0: all
    float attention_scale = 1.0f;     // multiplies cos and sin
    std::vector<float> short_factor;  // [rotary_dim / 2], of the wavelengths; none: 1
    std::vector<float> long_factor;   // [rotary_dim / 2], of those of long sequences; none: short_factor
    std::int64_t original_max = 0;    // with long_factor: the length up to which short_factor holds
    bool operator==(const RopeAttributes&) const = default;
    static void fields(auto& self, auto&& field) {
        field("theta", self.theta, above(0));
        field("rotary_dim", self.rotary_dim, at_least(0));
        field("attention_scale", self.attention_scale);
        field("short_factor", self.short_factor, above(0));
        field("long_factor", self.long_factor, above(0));
        field("original_max", self.original_max, at_least(0));
    }

    enum Input : std::size_t { kX, kPositions, kSequences, kRopeLengths };

    /// Whether the frequencies depend on the sequence's length.
    bool by_length() const { return !long_factor.empty(); }
};

extern const OpDef kRope;

/// Radians a position, for pair i = 0 … rotary_dim / 2 - 1 (the size of `out`): the one place that knows scalings.
/// `long_context` takes long_factor, if there is one.
void inverse_frequencies(const RopeAttributes& attributes, bool long_context, std::span<float> out);

/// x: float [T, n, d]; positions: i32 [T]. out: as x; elements (i, i + rotary_dim / 2) of each head of token t turned
/// by positions[t] * inverse_frequencies(i), the elements from rotary_dim on as they are. Where frequencies depend on
/// the length: sequences i32 [T], rope_lengths i32 [S], the total length of each sequence, which decides between
/// short_factor and long_factor; both or neither.
Value rope(At at, Value x, Value positions, RopeAttributes attributes, Value sequences = {}, Value rope_lengths = {});

}  // namespace vitro
