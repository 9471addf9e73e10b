// A product with a matrix and what a linear layer has around it: the kernel of linear, and of a matmul by one matrix.
#pragma once

#include "backends/cuda/cuda.h"
#include "graph/op_def.h"

namespace vitro::VITRO_DEVICE {

enum class ProductActivation { none, silu, gelu, gelu_tanh, relu };

/// out = linear(x, weight, …), as kLinear.doc has it; what is absent is Tensor::none().
struct LinearProduct {
    Tensor x, weight, out;  // [T, K], [N, K], [T, M]
    Tensor weight_scale = Tensor::none(), norm_weight = Tensor::none(), bias = Tensor::none(),
           residual = Tensor::none();  // [N], [K], [N], [T, M]
    float eps = 0;                     // of the norm
    ProductActivation activation = ProductActivation::none;
    bool gated = false;
    bool fixed_weights = false;  // nothing that runs before writes weight or norm_weight

    /// Whether it takes scratch, and may round what stands between.
    bool is_large(const Call& call) const;
    std::size_t scratch(const Call& call) const;
    void run(const Call& call) const;
};

}  // namespace vitro::VITRO_DEVICE
