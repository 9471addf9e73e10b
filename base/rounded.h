// Activations rounded to 8 bits for products with block-quantized weights: blocks of 32 neighbours in a row that share
// a scale, with the sums of their numbers, which a product with weights that have an offset or are unsigned needs.
//
// With most = the largest magnitude of the block, in fp32: scale = most / 127, and a number is x * (127 / most), the
// product rounded, to the nearest integer, ties to even. Where most < 2^-100 all are 0. A block with a NaN or an
// infinity has a NaN scale and zeros. So the bytes are the same on every machine.
#pragma once

#include "base/dtype.h"

#include <cstddef>
#include <cstdint>

namespace vitro {

inline constexpr float kLargestRounded = 127.0f;
inline constexpr float kRoundedToZero = 0x1p-100f;

/// A block of q8_32.
struct Rounded32 {
    float scale;
    std::int16_t sums[2];  // of 16 numbers each
    std::int8_t numbers[32];
};

static_assert(sizeof(Rounded32) == info(DType::q8_32).block_bytes);

/// to[0..elements / 32) = the blocks of `elements` numbers.
void round_activations(const float* from, std::int64_t elements, Rounded32* to);

}  // namespace vitro
