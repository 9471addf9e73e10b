#include "backends/cpu/simd.h"
#include "ops/common/parallel.h"
#include "ops/softmax/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

namespace vitro::inline VITRO_ISA {
namespace {

constexpr float kMasked = -std::numeric_limits<float>::infinity();

template <class T>
void softmax_row(const T* x, T* out, std::int64_t n, float sink) {
    simd::Floats largest = simd::broadcast(kMasked), sum{};
    simd::each(n, [&](std::int64_t i, auto lanes) { largest = simd::max(simd::load(x + i, lanes, kMasked), largest); });
    const float most = simd::max(largest), shift = sink > most ? sink : most;
    if (shift == kMasked) {  // nothing but -inf and NaN
        const bool masked = sink == kMasked && std::all_of(x, x + n, [](T value) { return float(value) == kMasked; });
        std::fill_n(out, n, T(masked ? 0.0f : std::numeric_limits<float>::quiet_NaN()));
        return;
    }
    constexpr bool kKeeps = std::is_same_v<T, float>;  // the exponentials fit in out, unrounded
    simd::each(n, [&](std::int64_t i, auto lanes) {
        const simd::Floats e = simd::exp(simd::load(x + i, lanes, kMasked) - shift);
        if constexpr (kKeeps) simd::store(out + i, e, lanes);
        sum += e;
    });
    const float scale = 1.0f / (simd::sum(sum) + std::exp(sink - shift));
    simd::each(n, [&](std::int64_t i, auto lanes) {
        const simd::Floats e = kKeeps ? simd::load(out + i, lanes) : simd::exp(simd::load(x + i, lanes) - shift);
        simd::store(out + i, e * scale, lanes);
    });
}

void run(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    const std::int64_t n = x.dim(-1), rows_per_sink = x.rows() / std::max<std::int64_t>(1, x.dim(0));
    const auto sink = [&](std::int64_t row) {
        float value = kMasked;
        if (call.has(Softmax::kSink))
            dispatch_float(call.in(Softmax::kSink).dtype,
                           [&]<class S>(S) { value = float(call.in(Softmax::kSink).as<S>()[row / rows_per_sink]); });
        return value;
    };
    dispatch_float(x.dtype, [&]<class T>(T) {
        parallel_rows(call, x.rows(), n,
                      [&](std::int64_t row) { softmax_row(x.as<T>() + row * n, out.as<T>() + row * n, n, sink(row)); });
    });
}

}  // namespace

extern const KernelDef kSoftmaxCpu{.op = "softmax", .run = run};

}  // namespace vitro::inline VITRO_ISA
