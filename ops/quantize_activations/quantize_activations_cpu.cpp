#include "backends/cpu/simd_tile.h"
#include "base/rounded.h"
#include "ops/common/parallel.h"
#include "ops/quantize_activations/quantize_activations.h"

#include <bit>
#include <cstring>
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
    constexpr float kShift = 0x1.8p23f;  // adding it rounds to an integer, which then stands in the low bits
    std::int32_t numbers[kBlock];
    for (std::int64_t i = 0; i < kBlock; i += kLanes) {
        Floats scaled = simd::load(x + i) * inverse;
        simd::keep(scaled);  // rounded by itself, not in one step with the sum
        const simd::Ints rounded = reinterpret_cast<simd::Ints>(scaled + kShift) - std::bit_cast<std::int32_t>(kShift);
        std::memcpy(numbers + i, &rounded, sizeof rounded);
    }
    for (std::int64_t i = 0; i < kBlock; ++i) block.numbers[i] = static_cast<std::int8_t>(numbers[i]);
    for (std::int64_t half = 0; half < 2; ++half) {
        int sum = 0;
        for (std::int64_t i = 0; i < kBlock / 2; ++i) sum += numbers[half * kBlock / 2 + i];
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
