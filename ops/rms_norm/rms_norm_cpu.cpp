#include "ops/common/parallel.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/rms_norm/rms_norm_row.h"

namespace vitro::inline VITRO_ISA {
namespace {

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

extern const KernelDef kRmsNormCpu{.op = "rms_norm", .run = run};

}  // namespace vitro::inline VITRO_ISA
