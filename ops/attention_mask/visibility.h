// Which positions of its sequence a token sees: the one rule of attention and attention_mask, in references and in
// kernels of every device.
#pragma once

#include "base/host_device.h"
#include "graph/op_def.h"

namespace vitro {

/// Positions [begin, end).
struct Range {
    std::int64_t begin = 0, end = 0;
    VITRO_HOST_DEVICE bool empty() const { return begin >= end; }
};

/// A token sees the positions of its own sequence that the cache holds and that no field excludes. What it does not
/// see takes no part in its result, whatever the cache holds there.
struct Visibility {
    bool causal = true;       // none after the token's own
    std::int64_t window = 0;  // only those less than this many from the token's own; 0: all
    /// Where it is not 0, of these only a pattern of the Sparse Transformer (Child et al. 2019, section 4.3), both of
    /// its steps together. Without `summary` the strided one: those less than `stride` from the token's own, and those
    /// a multiple of it away. With it the fixed one: those of the token's own block of `stride`, and the last `summary`
    /// of every block.
    std::int64_t stride = 0;
    std::int64_t summary = 0;
    bool operator==(const Visibility&) const = default;
    static void fields(auto& self, auto&& field) {
        field("causal", self.causal);
        field("window", self.window, between(0, 2147483647));
        field("stride", self.stride, between(0, 2147483647));
        field("summary", self.summary, between(0, 2147483647));
    }

    /// Whether a range is all there is to say.
    bool is_range() const { return stride == 0; }
    /// The range of what a token at `position` of a sequence of which the cache holds `length` positions sees.
    VITRO_HOST_DEVICE Range range(std::int64_t position, std::int64_t length) const {
        Range seen{0, length};
        if (causal && position + 1 < seen.end) seen.end = position + 1;
        if (window > 0 && position - window + 1 > seen.begin) seen.begin = position - window + 1;
        if (window > 0 && position + window < seen.end) seen.end = position + window;
        return seen;
    }
    /// Which positions of that range it does see.
    VITRO_HOST_DEVICE bool sees(std::int64_t position, std::int64_t key) const {
        if (stride == 0) return true;
        const std::int64_t distance = position > key ? position - key : key - position;
        if (summary == 0) return distance < stride || distance % stride == 0;
        return position / stride == key / stride || key % stride >= stride - summary;
    }
    /// How many of `held` positions a token sees at most.
    std::int64_t most(std::int64_t held) const {
        return window == 0 ? held : std::min(held, causal ? window : 2 * window - 1);
    }
};

/// The rule for the tokens of a step.
struct Visible {
    const std::int32_t* positions;  // [T]
    const std::int32_t* sequences;  // [T]
    const std::int32_t* lengths;    // [S]
    Visibility visibility;

    Range operator()(std::int64_t token) const { return visibility.range(positions[token], lengths[sequences[token]]); }
    /// Of a key in that range.
    bool sees(std::int64_t token, std::int64_t key) const { return visibility.sees(positions[token], key); }
};

}  // namespace vitro
