#include "backends/cpu/simd.h"
#include "ops/add_mask/add_mask.h"
#include "ops/common/parallel.h"
#include "ops/masked_matmul/masked_matmul.h"

namespace vitro::inline VITRO_ISA {
namespace {

/// out[n] = sum over k of weights[k] * values[k, n].
template <class A, class B, class M>
void weighted_sum(const A* weights, const B* values, const M* mask, A* out, std::int64_t k, std::int64_t n) {
    simd::each(n, [&](std::int64_t column, auto lanes) {
        simd::Floats sum{};
        for (std::int64_t i = 0; i < k; ++i)
            if (float(mask[i]) != kMasked) sum += float(weights[i]) * simd::load(values + i * n + column, lanes);
        simd::store(out + column, sum, lanes);
    });
}

void run(const Call& call) {
    const Tensor &a = call.in(0), &b = call.in(1), &mask = call.in(2), &out = call.out();
    const std::int64_t m = a.dim(-2), k = a.dim(-1), n = out.dim(-1);
    dispatch_float(a.dtype, [&]<class A>(A) {
        dispatch_float(b.dtype, [&]<class B>(B) {
            dispatch_float(mask.dtype, [&]<class M>(M) {
                parallel_rows(call, out.rows(), k * n, [&](std::int64_t row) {
                    weighted_sum(a.as<A>() + row * k, b.as<B>() + row / m * k * n, mask.as<M>() + row % m * k,
                                 out.as<A>() + row * n, k, n);
                });
            });
        });
    });
}

}  // namespace

extern const KernelDef kMaskedMatmulCpu{.op = "masked_matmul", .run = run};

}  // namespace vitro::inline VITRO_ISA
