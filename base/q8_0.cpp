// Compiled without contraction of a * b - c into one rounding (CMakeLists.txt), so that no machine chooses otherwise.
#include "base/q8_0.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace vitro {
namespace {

constexpr std::uint32_t kInfinityBits = 0x7f800000;

/// Loops over whole blocks without a branch, so that they become vectors.
Q8Block rounded(const float* x) {
    std::uint32_t most_bits = 0;  // magnitudes are in the order of their bits, what is not finite above all others
    for (int i = 0; i < Q8Block::kElements; ++i)
        most_bits = std::max(most_bits, std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffffu);
    Q8Block block{};
    const float scale = std::bit_cast<float>(most_bits) / 127.0f, inverse = 1.0f / scale;
    block.scale = f16(scale);
    if (most_bits >= kInfinityBits || !std::isfinite(float(block.scale))) {
        block.scale = f16(std::numeric_limits<float>::quiet_NaN());
        return block;
    }
    if (!std::isfinite(inverse)) return block;  // zeros, or so small that the scale became 0
    std::int32_t numbers[Q8Block::kElements];
    for (int i = 0; i < Q8Block::kElements; ++i) {
        const float number = x[i] * inverse;
        const auto whole = static_cast<std::int32_t>(number);
        const float rest = number - static_cast<float>(whole);
        numbers[i] = whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0);
    }
    for (int i = 0; i < Q8Block::kElements; ++i) block.numbers[i] = static_cast<std::int8_t>(numbers[i]);
    return block;
}

}  // namespace

void round_to_q8_0(const float* from, std::int64_t elements, Q8Block* to) {
    for (std::int64_t i = 0; i < elements; i += Q8Block::kElements) *to++ = rounded(from + i);
}

}  // namespace vitro
