// Blocks of a block-quantized type as elements of a float dtype.
#pragma once

#include "base/blocks.h"
#include "base/half.h"

namespace vitro {

/// to[0..elements) = the values of whole blocks, rounded to To.
template <class To>
void dequantize_to(DType dtype, const std::byte* blocks, std::int64_t elements, To* to) {
    const DTypeInfo& type = info(dtype);
    constexpr std::int64_t kMostElements = 256;
    float values[kMostElements];
    for (std::int64_t i = 0; i < elements; i += type.block_elements, blocks += type.block_bytes) {
        dequantize(dtype, blocks, type.block_elements, values);
        for (std::int64_t j = 0; j < type.block_elements; ++j) to[i + j] = To(values[j]);
    }
}

}  // namespace vitro
