#include "backends/cpu/simd.h"
#include "ops/common/parallel.h"
#include "ops/layer_norm/layer_norm.h"

namespace vitro::inline VITRO_ISA {
namespace {

/// `bias` may be null.
template <class X, class W, class B>
void layer_norm_row(const X* x, const W* weight, const B* bias, X* out, std::int64_t n, float eps) {
    simd::Floats total{}, squares{};
    simd::each(n, [&](std::int64_t i, auto lanes) { total += simd::load(x + i, lanes); });
    const float mean = simd::sum(total) / static_cast<float>(n);
    simd::each(n, [&](std::int64_t i, auto lanes) {
        const simd::Floats v = simd::load(x + i, lanes, mean) - mean;
        squares += v * v;
    });
    const float scale = 1.0f / std::sqrt(simd::sum(squares) / static_cast<float>(n) + eps);
    simd::each(n, [&](std::int64_t i, auto lanes) {
        const simd::Floats shift = bias ? simd::load(bias + i, lanes) : simd::Floats{};
        const simd::Floats v = (simd::load(x + i, lanes) - mean) * scale;
        simd::store(out + i, v * simd::load(weight + i, lanes) + shift, lanes);
    });
}

void run(const Call& call) {
    const Tensor &x = call.in(LayerNorm::kX), &weight = call.in(LayerNorm::kWeight), &out = call.out();
    const Tensor& bias = call.in(LayerNorm::kBias);
    const std::int64_t n = x.dim(-1);
    const float eps = call.attributes.as<LayerNorm>().eps;
    dispatch_float(x.dtype, [&]<class X>(X) {
        dispatch_float(weight.dtype, [&]<class W>(W) {
            dispatch_float(bias.dtype, [&]<class B>(B) {
                parallel_rows(call, x.rows(), n, [&](std::int64_t row) {
                    layer_norm_row(x.as<X>() + row * n, weight.as<W>(), bias.as<B>(), out.as<X>() + row * n, n, eps);
                });
            });
        });
    });
}

}  // namespace

extern const KernelDef kLayerNormCpu{.op = "layer_norm", .run = run};

}  // namespace vitro::inline VITRO_ISA
