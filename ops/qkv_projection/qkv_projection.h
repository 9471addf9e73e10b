// Everything between the residual stream and attention, in one step: norm, projection to q, k and v with bias, rotary
// embedding of q and k, and the writing of k and v into the paged cache. A form for devices where a step costs a
// launch.
#pragma once

#include "ops/linear/linear.h"
#include "ops/qkv_rope_append/qkv_rope_append.h"

#include <optional>

namespace vitro {

struct QkvProjection {
    bool scaled = false;   // an input weight_scale follows, as in linear
    bool norm = false;     // x is normed first: an input norm_weight follows
    float eps = 1e-6f;     // of the norm
    bool bias = false;     // an input bias follows
    QkvRopeAppend append;  // what happens to the projection
    bool operator==(const QkvProjection&) const = default;
    static void fields(auto& self, auto&& field) {
        field("scaled", self.scaled);
        field("norm", self.norm);
        field("eps", self.eps);
        field("bias", self.bias);
        QkvRopeAppend::fields(self.append, field);
    }

    /// The projection.
    Linear linear() const { return {.scaled = scaled, .norm = norm, .eps = eps, .bias = bias}; }
};

extern const OpDef kQkvProjection;

/// The inputs of one qkv_projection by name; -1 for optional ones that are not there.
struct QkvProjectionInputs {
    int x = 0, weight = 1, k_cache = 2, v_cache = 3, positions = 4, sequences = 5, page_table = 6;
    int weight_scale = -1;  // f32 [N]
    int norm_weight = -1;   // [K]
    int bias = -1;          // [N]
    int rope_lengths = -1;  // i32 [S]

    /// The last four follow the page table in this order; scale, norm and bias as the attributes say, rope_lengths
    /// where there is one input more. Error when `count` fits neither.
    QkvProjectionInputs(const QkvProjection& attributes, std::size_t count);
};

/// qkv_rope_append(linear(x, weight [, weight_scale] [, norm_weight] [, bias]), …): q = rope of the first n_heads
/// heads, [T, H, d] in x's dtype, and the next states of the caches, in the same memory. x: float [T, K]; weight: [(H +
/// 2 C) * d, K], of linear's dtypes, where the caches have C heads; the rest as in linear and qkv_rope_append.
/// Everything in between is fp32.
QkvRopeAppended qkv_projection(At at, Value x, Value weight, Value k_cache, Value v_cache, Value positions,
                               Value sequences, Value page_table, QkvProjection attributes,
                               std::optional<Value> norm_weight = {}, std::optional<Value> bias = {},
                               std::optional<Value> rope_lengths = {}, std::optional<Value> weight_scale = {});

}  // namespace vitro
