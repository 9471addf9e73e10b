#include "backends/cpu/simd.h"
#include "ops/argmax/argmax.h"
#include "ops/common/parallel.h"

#include <algorithm>
#include <limits>

namespace vitro::inline VITRO_ISA {
namespace {

constexpr float kLeast = -std::numeric_limits<float>::infinity();

template <class T>
std::int64_t argmax_row(const T* x, std::int64_t n) {
    simd::Floats largest = simd::broadcast(kLeast);
    simd::Ints is_nan{};
    simd::each(n, [&](std::int64_t i, auto lanes) {
        const simd::Floats v = simd::load(x + i, lanes, kLeast);
        largest = simd::max(v, largest);
        is_nan |= v != v;
    });
    std::int32_t any_nan = 0;
    for (int lane = 0; lane < simd::kLanes; ++lane) any_nan |= is_nan[lane];
    if (any_nan != 0) return std::find_if(x, x + n, [](T v) { return float(v) != float(v); }) - x;
    const float value = simd::max(largest);
    if (value == kLeast) return 0;
    std::int64_t index = 0;
    while (float(x[index]) != value) ++index;
    return index;
}

void run(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    const std::int64_t n = x.dim(-1);
    dispatch_float(x.dtype, [&]<class T>(T) {
        parallel_rows(call, x.rows(), n, [&](std::int64_t row) {
            out.as<std::int32_t>()[row] = static_cast<std::int32_t>(argmax_row(x.as<T>() + row * n, n));
        });
    });
}

}  // namespace

extern const KernelDef kArgmaxCpu{.op = "argmax", .run = run};

}  // namespace vitro::inline VITRO_ISA
