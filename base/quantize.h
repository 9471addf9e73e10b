// Numbers rounded to blocks of a block-quantized type (base/blocks.h), with the scales that make the squared error
// small.
//
// A block of one scale tries some near that which takes the largest magnitude to the last number, and for the best one
// the scale that fits its numbers best (least squares). A block of several parts finds scale and minimum of each part
// so, then the block's own scales from the largest of them, then for each part the nearest codes of scale and minimum
// that leave the smallest error. What is chosen depends on the block alone, with the same bits on every machine.
#pragma once

#include "base/dtype.h"

#include <cstddef>
#include <cstdint>

namespace vitro {

/// Whether there is a quantizer for a type: q8_0, q4_0, q5_0, q5_1, q4_k, q5_k, q6_k.
bool can_quantize(DType dtype);

/// blocks = `elements` numbers, whole blocks. The values of a block with a NaN or an infinity are all NaN.
void quantize(DType dtype, const float* from, std::int64_t elements, std::byte* blocks);

}  // namespace vitro
