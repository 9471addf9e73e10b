// Which positions of its sequence a token sees.
#pragma once

#include "graph/op_def.h"

#include <algorithm>

namespace vitro {

/// Positions [begin, end).
struct Range {
    std::int64_t begin = 0, end = 0;
    bool empty() const { return begin >= end; }
};

/// The rule of attention and attention_mask: not past the token, not past what the cache holds, and with a window
/// (> 0) only so many positions, the token's own included.
struct Visible {
    const std::int32_t* positions;  // [T]
    const std::int32_t* sequences;  // [T]
    const std::int32_t* lengths;    // [S]
    std::int64_t count;             // S
    std::int64_t window;

    Range operator()(std::int64_t token) const {
        const std::int64_t s = sequences[token], position = positions[token];
        VITRO_CHECK(s >= 0 && s < count, "sequence {} of {}", s, count);
        return {window == 0 ? 0 : std::max<std::int64_t>(0, position - window + 1),
                std::min<std::int64_t>(position + 1, lengths[s])};
    }
};

}  // namespace vitro
