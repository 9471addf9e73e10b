// Matrix product, plain or with the second matrix transposed, one pair of matrices or a batch of them.
#pragma once

#include "graph/builder.h"
#include "ops/matmul/arithmetic.h"

namespace vitro {

struct Matmul {
    bool transpose_b = false;  // b is [.., N, K], as linear layers keep their weights
    bool operator==(const Matmul&) const = default;
    static void fields(auto& self, auto&& field) { field("transpose_b", self.transpose_b); }

    /// Of a matmul with inputs of these types.
    Arithmetic arithmetic(std::span<const TensorType> inputs) const {
        return arithmetic_of(inputs[0].dtype, inputs[1].dtype, transpose_b, inputs[0].dim(-1).size);
    }
};

extern const OpDef kMatmul;

/// out[.., m, n] = sum over k of a[.., m, k] * b[.., k, n] (b[.., n, k] with transpose_b).
/// a: float [.., M, K]; b: float, rank 2 (the same for the whole batch) or with a's leading dimensions, or with
/// transpose_b block-quantized of rank 2 (then the CPU rounds a to 8 bits, 32 numbers with a scale of their own); out:
/// a's dtype
/// [.., M, N]. The sum is fp32 and its order depends on K only.
Value matmul(At at, Value a, Value b, Matmul attributes = {});

}  // namespace vitro
