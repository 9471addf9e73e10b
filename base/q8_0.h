// Rows of a KV cache in blocks of q8_0 (base/blocks.h): 32 neighbours in a head share a scale.
//
// Unlike weights (base/quantize.h), which are rounded once and for good, rows are rounded as tokens come, by the plain
// rule of gguf's own code: with most = the largest magnitude of the block, in fp32, scale = most / 127, and a number is
// x * (1 / scale) to the nearest integer, ties away from 0; then the scale is rounded to f16. A block with a NaN or an
// infinity, or whose scale is beyond f16, has a NaN scale and zeros. So the bytes are the same on every machine.
#pragma once

#include "base/half.h"

#include <cstdint>

namespace vitro {

/// A block of q8_0: element i is float(scale) * numbers[i], which fp32 has exactly.
struct Q8Block {
    static constexpr std::int64_t kElements = info(DType::q8_0).block_elements;
    f16 scale;
    std::int8_t numbers[kElements];
};

static_assert(sizeof(Q8Block) == info(DType::q8_0).block_bytes);

/// to[0..elements / 32) = the blocks of `elements` numbers.
void round_to_q8_0(const float* from, std::int64_t elements, Q8Block* to);

}  // namespace vitro
