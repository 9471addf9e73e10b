// What a linear layer does with the sums of its product.
#pragma once

#include "ops/common/activations_cuda.h"
#include "ops/common/product_cuda.h"
#include "ops/matmul/linear_product_cuda.h"

namespace vitro::VITRO_DEVICE {

__device__ inline float activate(ProductActivation activation, float x) {
    switch (activation) {
        case ProductActivation::silu:
            return Silu{}(x);
        case ProductActivation::gelu:
            return GeluErf{}(x);
        case ProductActivation::gelu_tanh:
            return GeluTanh{}(x);
        case ProductActivation::relu:
            return Relu{}(x);
        default:
            return x;
    }
}

/// Bias, activation, gate and residual. Gated: a row of the gate and its up; else 16 rows in order.
struct LinearEpilogue {
    Elements out, bias, residual;  // [tokens, m], [n], [tokens, m]; the latter two may be null
    int m;
    ProductActivation activation;
    bool gated;

    int units() const { return gated ? (m + 7) / 8 : (m + 15) / 16; }
    __device__ RowGroups rows(int unit) const {
        if (gated) {
            const int count = min(8, m - 8 * unit);
            return {{8 * unit, m + 8 * unit}, {count, count}};
        }
        const int first = 16 * unit;
        return {{first, first + 8}, {min(8, m - first), max(0, min(8, m - first - 8))}};
    }

    struct Loaded {
        float bias[2], residual[2];
    };
    __device__ Loaded load(const OutputRows& output) const {
        Loaded loaded{};
        for (int r = 0; r < 2; ++r) {
            if (output.i >= output.rows.count[r]) continue;
            const int row = output.rows.first[r] + output.i;
            if (bias.data) loaded.bias[r] = cuda_load(bias, row);
            if (residual.data && !(gated && r == 1)) loaded.residual[r] = cuda_load(residual, at(output, row));
        }
        return loaded;
    }
    __device__ void finish(const OutputRows& output, const Loaded& loaded, float first, float second) const {
        first += loaded.bias[0];
        second += loaded.bias[1];
        const int row = output.rows.first[0] + output.i;
        if (gated) {
            cuda_store(out, at(output, row), activate(activation, first) * second + loaded.residual[0]);
            return;
        }
        if (output.i < output.rows.count[0])
            cuda_store(out, at(output, row), activate(activation, first) + loaded.residual[0]);
        if (output.i < output.rows.count[1])
            cuda_store(out, at(output, row + 8), activate(activation, second) + loaded.residual[1]);
    }

private:
    __device__ std::int64_t at(const OutputRows& output, int row) const { return std::int64_t(output.token) * m + row; }
    __device__ static float cuda_load(const Elements& x, std::int64_t i) { return VITRO_DEVICE::load<1>(x, i).at[0]; }
    __device__ static void cuda_store(const Elements& x, std::int64_t i, float value) { store<1>(x, i, {{value}}); }
};

}  // namespace vitro::VITRO_DEVICE
