// Everything between the residual stream and attention, in one step: norm, projection to q, k and v with bias, rotary
// embedding of q and k, and the writing of k and v into the paged cache. A form for devices where a step costs a
// launch.
#pragma once

#include "ops/linear/linear.h"
#include "ops/qkv_rope_append/qkv_rope_append.h"

namespace vitro {

struct QkvProjection {
    float eps = 1e-6f;     // of the norm, where there is one
    QkvRopeAppend append;  // what happens to the projection
    bool operator==(const QkvProjection&) const = default;
    static void fields(auto& self, auto&& field) {
        field("eps", self.eps, at_least(0));
        QkvRopeAppend::fields(self.append, field);
    }

    enum Input : std::size_t {
        kX,
        kWeight,
        kKCache,
        kVCache,
        kPositions,
        kSequences,
        kPageTable,
        kWeightScale,
        kNormWeight,
        kBias,
        kRopeLengths
    };

    /// The projection.
    Linear linear() const { return {.eps = eps}; }
};

extern const OpDef kQkvProjection;

/// The values of a qkv_projection by name; the last four may be absent.
struct QkvProjectionValues {
    Value x, weight, k_cache, v_cache, positions, sequences, page_table;
    Value weight_scale{};  // f32 [N]
    Value norm_weight{};   // [K]
    Value bias{};          // [N]
    Value rope_lengths{};  // i32 [S]
};

/// qkv_rope_append(linear(x, weight [, weight_scale] [, norm_weight] [, bias]), …): q = rope of the first n_heads
/// heads, [T, H, d] in x's dtype, and the next states of the caches, in the same memory. x: float [T, K]; weight: [(H +
/// 2 C) * d, K], of linear's dtypes, where the caches have C heads; the rest as in linear and qkv_rope_append.
/// Everything in between is fp32.
QkvRopeAppended qkv_projection(At at, const QkvProjectionValues& values, QkvProjection attributes);

}  // namespace vitro
