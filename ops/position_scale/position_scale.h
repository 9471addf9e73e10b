// 1 + beta · ln(1 + ⌊position / original⌋), by which a query far into a text is multiplied
#pragma once

#include "graph/builder.h"

namespace vitro {

struct PositionScale {
    float beta = 0;
    std::int64_t original = 1;  // length of the texts of the first training
    bool operator==(const PositionScale&) const = default;
    static void fields(auto& self, auto&& field) {
        field("beta", self.beta);
        field("original", self.original, between(1, 2147483647));
    }
};

extern const OpDef kPositionScale;

/// positions: i32 [T]. out: f32 [T], 1 for positions below `original`; scores that many keys share stay as sharp as
/// those of few (Nakanishi 2025, Scalable-Softmax; transformers has it for Llama 4 and Ministral 3).
Value position_scale(At at, Value positions, PositionScale attributes);

}  // namespace vitro
