#include "ops/add_rms_norm/add_rms_norm.h"
#include "ops/common/parallel.h"
#include "ops/rms_norm/rms_norm_row.h"

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    const Tensor &x = call.in(0), &y = call.in(1), &weight = call.in(2), &sum = call.out(0), &normed = call.out(1);
    const std::int64_t n = x.dim(-1);
    const float eps = call.attributes.as<RmsNorm>().eps;
    dispatch_float(x.dtype, [&]<class X>(X) {
        dispatch_float(weight.dtype, [&]<class W>(W) {
            parallel_rows(call, x.rows(), n, [&](std::int64_t row) {
                const X *a = x.as<X>() + row * n, *b = y.as<X>() + row * n;
                X* to = sum.as<X>() + row * n;
                simd::each(n, [&](std::int64_t i, auto lanes) {
                    simd::store(to + i, simd::load(a + i, lanes) + simd::load(b + i, lanes), lanes);
                });
                rms_norm_row(to, weight.as<W>(), normed.as<X>() + row * n, n, eps);
            });
        });
    });
}

}  // namespace

extern const KernelDef kAddRmsNormCpu{.op = "add_rms_norm", .run = run};

}  // namespace vitro::inline VITRO_ISA
