#include "backends/cpu/simd.h"
#include "ops/common/parallel.h"
#include "ops/top_k/top_k.h"

namespace vitro::inline VITRO_ISA {
namespace {

/// Each is the largest of those behind the one found before it: k walks over a row, which experts keep short.
template <class T>
void top_k_row(const T* x, T* values, std::int32_t* indices, std::int64_t n, std::int64_t k) {
    TopKElement last{};
    for (std::int64_t j = 0; j < k; ++j) {
        TopKElement best{0, -1};
        for (std::int64_t i = 0; i < n; ++i) {
            const TopKElement one{float(x[i]), i};
            if (j > 0 && !is_larger(last, one)) continue;
            if (best.index < 0 || is_larger(one, best)) best = one;
        }
        values[j] = x[best.index];
        indices[j] = static_cast<std::int32_t>(best.index);
        last = best;
    }
}

void run(const Call& call) {
    const Tensor &x = call.in(0), &values = call.out(0), &indices = call.out(1);
    const std::int64_t n = x.dim(-1), k = values.dim(-1);
    dispatch_float(x.dtype, [&]<class T>(T) {
        parallel_rows(call, x.rows(), n * k, [&](std::int64_t row) {
            top_k_row(x.as<T>() + row * n, values.as<T>() + row * k, indices.as<std::int32_t>() + row * k, n, k);
        });
    });
}

}  // namespace

extern const KernelDef kTopKCpu{.op = "top_k", .run = run};

}  // namespace vitro::inline VITRO_ISA
