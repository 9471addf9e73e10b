// The norm goes into scratch as fp32 before the product. Everything after happens while a block of the product is in
// the first caches: pass after pass over its rows, so that each dtype and each activation is one small loop.
#include "backends/cpu/simd_tile.h"
#include "base/checked.h"
#include "base/packed.h"
#include "ops/common/activations_cpu.h"
#include "ops/common/parallel.h"
#include "ops/linear/linear.h"
#include "ops/matmul/product_cpu.h"
#include "ops/rms_norm/rms_norm_row.h"

namespace vitro::inline VITRO_ISA {
namespace {

using simd::Floats;
using simd::kLanes;

/// y[0..n) += elements of `tensor` from `at` on.
void add_elements(const Tensor& tensor, std::int64_t at, std::int64_t n, float* y) {
    dispatch_float(tensor.dtype, [&]<class T>(T) {
        const T* from = tensor.as<T>() + at;
        simd::each(n, [&](std::int64_t i, auto lanes) {
            simd::store(y + i, simd::load(y + i) + simd::load(from + i, lanes));
        });
    });
}

/// y[0..n) *= elements of `tensor` from `at` on.
void multiply_elements(const Tensor& tensor, std::int64_t at, std::int64_t n, float* y) {
    dispatch_float(tensor.dtype, [&]<class T>(T) {
        const T* from = tensor.as<T>() + at;
        simd::each(n, [&](std::int64_t i, auto lanes) {
            simd::store(y + i, simd::load(y + i) * simd::load(from + i, lanes));
        });
    });
}

/// y[0..n) = f(y) [* up]. Goes up to whole vectors: a block has the room, and all elements take one path.
template <Floats (*f)(Floats)>
void activate(float* y, const float* up, std::int64_t n) {
    for (std::int64_t i = 0; i < n; i += kLanes) {
        Floats value = f(simd::load(y + i));
        if (up != nullptr) value *= simd::load(up + i);
        simd::store(y + i, value);
    }
}

Floats same(Floats x) { return x; }

using Activate = void (*)(float* y, const float* up, std::int64_t n);

Activate activate_of(std::string_view name) {
    if (name == "silu") return activate<silu_lanes>;
    if (name == "gelu") return activate<gelu_erf_lanes>;
    if (name == "gelu_tanh") return activate<gelu_tanh_lanes>;
    if (name == "relu") return activate<relu_lanes>;
    return activate<same>;
}

/// What makes outputs of a block of sums.
class Epilogue {
public:
    explicit Epilogue(const Call& call)
        : linear_(call.attributes.as<Linear>()),
          out_(call.out()),
          weight_scale_(call.in(Linear::kWeightScale)),
          bias_(call.in(Linear::kBias)),
          residual_(call.in(Linear::kResidual)),
          activate_(activate_of(linear_.activation)) {}

    void operator()(const ProductBlock& block) const {
        const std::int64_t m = out_.dim(1);
        for (std::int64_t r = 0; r < block.rows; ++r) {
            float* y = block.sums + r * ProductBlock::kRow;
            float* up = linear_.gated ? y + ProductBlock::kPart : nullptr;
            const std::int64_t n = block.columns, at = (block.row + r) * m + block.column;
            if (!weight_scale_.absent) {
                multiply_elements(weight_scale_, block.column, n, y);
                if (up != nullptr) multiply_elements(weight_scale_, m + block.column, n, up);
            }
            if (!bias_.absent) {
                add_elements(bias_, block.column, n, y);
                if (up != nullptr) add_elements(bias_, m + block.column, n, up);
            }
            activate_(y, up, n);
            if (!residual_.absent) add_elements(residual_, at, n, y);
            dispatch_float(out_.dtype, [&]<class Out>(Out) {
                Out* to = out_.as<Out>() + at;
                simd::each(n, [&](std::int64_t i, auto lanes) { simd::store(to + i, simd::load(y + i), lanes); });
            });
        }
    }

private:
    const Linear& linear_;
    Tensor out_, weight_scale_, bias_, residual_;
    Activate activate_;
};

Product product_of(const Call& call) {
    const auto& linear = call.attributes.as<Linear>();
    const Tensor &x = call.in(Linear::kX), &weight = call.in(Linear::kWeight);
    const std::int64_t parts = linear.gated ? 2 : 1;
    return {.a = x.data,
            .a_dtype = call.has(Linear::kNormWeight) ? DType::f32 : x.dtype,
            .b = weight.data,
            .b_dtype = weight.dtype,
            .transpose_b = true,
            .batch = 1,
            .m = x.dim(0),
            .n = weight.dim(0) / parts,
            .k = x.dim(1),
            .b_stride = 0,
            .parts = parts};
}

void norm(const Call& call, float* out) {
    const auto& linear = call.attributes.as<Linear>();
    const Tensor &x = call.in(Linear::kX), &weight = call.in(Linear::kNormWeight);
    const std::int64_t k = x.dim(1);
    dispatch_float(x.dtype, [&]<class X>(X) {
        dispatch_float(weight.dtype, [&]<class W>(W) {
            parallel_rows(call, x.dim(0), k, [&](std::int64_t row) {
                rms_norm_row(x.as<X>() + row * k, weight.as<W>(), out + row * k, k, linear.eps);
            });
        });
    });
}

/// Bytes of the normed rows, in front of the product's scratch.
std::size_t norm_bytes(const Call& call) {
    if (!call.has(Linear::kNormWeight)) return 0;
    constexpr std::size_t kAlignment = 64;
    return round_up(sizeof(float) * static_cast<std::size_t>(call.in(Linear::kX).elements()), kAlignment);
}

void run(const Call& call) {
    Product product = product_of(call);
    if (call.has(Linear::kNormWeight)) {
        auto* normed = reinterpret_cast<float*>(call.scratch.data());
        norm(call, normed);
        product.a = normed;
    }
    multiply(product, call.scratch.subspan(norm_bytes(call)), static_cast<CpuBackend&>(call.backend).pool(),
             Epilogue(call));
}

std::size_t scratch(const Call& call) {
    return norm_bytes(call) + product_scratch(product_of(call), static_cast<CpuBackend&>(call.backend).pool());
}

std::string refuses(std::span<const TensorType> inputs, std::span<const TensorType>, const Attributes& attributes) {
    const TensorType& weight = inputs[Linear::kWeight];
    if (!is_packed(weight.dtype)) return {};
    if (!is_rounded(inputs[Linear::kX].dtype)) return "it multiplies packed weights with rounded activations only";
    const std::int64_t parts = attributes.as<Linear>().gated ? 2 : 1;
    if (weight.dim(0).size % (parts * kPackedRows) != 0)
        return fmt::format("the gate's rows are no multiple of {}", kPackedRows);
    return {};
}

DType prefers(std::size_t input, std::span<const TensorType> inputs, const Attributes&) {
    const DType x = inputs[Linear::kX].dtype, weight = inputs[Linear::kWeight].dtype;
    if (input == Linear::kX && is_block_quantized(weight)) return DType::q8_32;
    const Arithmetic rounded = arithmetic_of(DType::bf16, weight, true, inputs[Linear::kWeight].dim(1).size);
    if (input == Linear::kX && rounded == Arithmetic::bf16_pairs && simd::has_bf16_products()) return DType::bf16;
    if (input == Linear::kWeight && is_block_quantized(weight) && is_rounded(x)) return packed(weight);
    return inputs[input].dtype;
}

}  // namespace

extern const KernelDef kLinearCpu{
    .op = "linear", .run = run, .refuses = refuses, .scratch = scratch, .prefers = prefers};

}  // namespace vitro::inline VITRO_ISA
