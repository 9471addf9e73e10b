// A linear layer with what stands around it: the norm before, bias, activation, gate and residual after.
#pragma once

#include "graph/builder.h"
#include "ops/matmul/arithmetic.h"

#include <string>

namespace vitro {

struct Linear {
    float eps = 1e-6f;         // of the norm, where there is one
    std::string activation;    // "": none; "silu", "gelu", "gelu_tanh", "relu"
    bool gated = false;        // the first half of the outputs, activated, times the second half
    bool x_rounded = false;    // x, a float, was rounded for the product alone (passes/quantize_activations.cpp)
    DType dtype = DType::f32;  // of the output, where x is rounded, to such a float or to 8 bits
    bool operator==(const Linear&) const = default;
    static void fields(auto& self, auto&& field) {
        field("eps", self.eps, at_least(0));
        field("activation", self.activation, one_of({"", "silu", "gelu", "gelu_tanh", "relu"}));
        field("gated", self.gated);
        field("x_rounded", self.x_rounded);
        field("dtype", self.dtype, float_dtype());
    }

    enum Input : std::size_t { kX, kWeight, kWeightScale, kNormWeight, kBias, kResidual };

    /// Of a linear with inputs of these types; what was normed is fp32.
    static Arithmetic arithmetic(std::span<const TensorType> inputs) {
        const DType x = inputs[kNormWeight].absent ? inputs[kX].dtype : DType::f32;
        return arithmetic_of(x, inputs[kWeight].dtype, true, inputs[kWeight].dim(1).size);
    }
};

/// The values of a linear by name; the last four may be absent.
struct LinearValues {
    Value x, weight;
    Value weight_scale{};  // f32 [N], multiplies the weight's rows
    Value norm_weight{};   // [K], x is normed first
    Value bias{};          // [N]
    Value residual{};      // [T, M]
};

extern const OpDef kLinear;

/// h = norm_weight ? rms_norm(x, norm_weight) : x;  z = h · weightᵀ (* weight_scale) (+ bias);  gated: M = N / 2 and
/// y = act(z[:, :M]) * z[:, M:], else M = N and y = act(z);  out = y (+ residual).
/// x: float [T, K]; weight: float [N, K], with weight_scale also f8e4m3, without it also block-quantized. Then x may be
/// rounded (base/rounded.h), which has no norm_weight, and weight packed (base/packed.h). With x_rounded there is no
/// norm_weight either. out: x's dtype [T, M], or `dtype` where x is rounded; everything in between is fp32.
Value linear(At at, const LinearValues& values, Linear attributes = {});

}  // namespace vitro
