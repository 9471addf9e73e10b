#include "backends/cpu/simd.h"
#include "ops/common/parallel.h"
#include "ops/rms_norm/rms_norm.h"

namespace vitro {
namespace {

template <class X, class W>
void rms_norm_row(const X* x, const W* weight, X* out, std::int64_t n, float eps) {
    simd::Floats squares{};
    simd::each(n, [&](std::int64_t i, auto lanes) {
        const simd::Floats v = simd::load(x + i, lanes);
        squares += v * v;
    });
    const float scale = 1.0f / std::sqrt(simd::sum(squares) / static_cast<float>(n) + eps);
    simd::each(n, [&](std::int64_t i, auto lanes) {
        simd::store(out + i, simd::load(x + i, lanes) * scale * simd::load(weight + i, lanes), lanes);
    });
}

void run(const Call& call) {
    const Tensor &x = call.in(0), &weight = call.in(1), &out = call.out();
    const std::int64_t n = x.dim(-1);
    const float eps = call.attributes.as<RmsNorm>().eps;
    dispatch_float(x.dtype, [&]<class X>(X) {
        dispatch_float(weight.dtype, [&]<class W>(W) {
            parallel_rows(call, x.rows(), n, [&](std::int64_t row) {
                rms_norm_row(x.as<X>() + row * n, weight.as<W>(), out.as<X>() + row * n, n, eps);
            });
        });
    });
}

}  // namespace

const KernelDef kRmsNormCpu{.op = "rms_norm", .run = run};

}  // namespace vitro
