#include "base/rounded.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace vitro {
namespace {

Rounded32 rounded(const float* x) {
    Rounded32 block{};
    float most = 0;
    for (std::size_t i = 0; i < std::size(block.numbers); ++i) {
        if (!std::isfinite(x[i])) {
            block.scale = std::numeric_limits<float>::quiet_NaN();
            return block;
        }
        most = std::max(most, std::abs(x[i]));
    }
    if (most < kRoundedToZero) return block;
    block.scale = most / kLargestRounded;
    const float inverse = kLargestRounded / most;
    for (std::size_t i = 0; i < std::size(block.numbers); ++i) {
        block.numbers[i] = static_cast<std::int8_t>(std::nearbyint(x[i] * inverse));
        block.sums[i / 16] = static_cast<std::int16_t>(block.sums[i / 16] + block.numbers[i]);
    }
    return block;
}

}  // namespace

void round_activations(const float* from, std::int64_t elements, Rounded32* to) {
    constexpr std::int64_t kBlock = info(DType::q8_32).block_elements;
    for (std::int64_t i = 0; i < elements; i += kBlock) *to++ = rounded(from + i);
}

}  // namespace vitro
