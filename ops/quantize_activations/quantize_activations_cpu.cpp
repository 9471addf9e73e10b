#include "backends/cpu/simd.h"
#include "base/rounded.h"
#include "ops/common/parallel.h"
#include "ops/quantize_activations/quantize_activations.h"

#include <cmath>
#include <limits>

namespace vitro::inline VITRO_ISA {
namespace {

using simd::Floats;
using simd::kLanes;

constexpr std::int64_t kBlock = info(DType::q8_32).block_elements;

template <class X>
Rounded32 rounded(const X* x) {
    Rounded32 block{};
    Floats magnitudes{}, zeros{};  // or NaN, where a number is NaN or infinite
    for (std::int64_t i = 0; i < kBlock; i += kLanes) {
        const Floats v = simd::load(x + i);
        magnitudes = simd::max(simd::max(v, -v), magnitudes);
        zeros += v * 0.0f;
    }
    const float most = simd::max(magnitudes), zero = simd::sum(zeros);
    if (zero != zero) block.scale = std::numeric_limits<float>::quiet_NaN();
    if (zero != zero || most < kRoundedToZero) return block;
    block.scale = most / kLargestRounded;
    const float inverse = kLargestRounded / most;
    float scaled[kBlock];
    for (std::int64_t i = 0; i < kBlock; i += kLanes) simd::store(scaled + i, simd::load(x + i) * inverse);
    for (std::int64_t i = 0; i < kBlock; ++i) block.numbers[i] = static_cast<std::int8_t>(std::nearbyint(scaled[i]));
    for (std::int64_t half = 0; half < 2; ++half) {
        int sum = 0;
        for (std::int64_t i = 0; i < kBlock / 2; ++i) sum += block.numbers[half * kBlock / 2 + i];
        block.sums[half] = static_cast<std::int16_t>(sum);
    }
    return block;
}

void run(const Call& call) {
    const Tensor& x = call.in(0);
    auto* const out = call.out().as<Rounded32>();
    dispatch_float(x.dtype, [&]<class X>(X) {
        parallel_rows(call, x.elements() / kBlock, kBlock,
                      [&](std::int64_t i) { out[i] = rounded(x.as<X>() + i * kBlock); });
    });
}

}  // namespace

extern const KernelDef kQuantizeActivationsCpu{.op = "quantize_activations", .run = run};

}  // namespace vitro::inline VITRO_ISA
