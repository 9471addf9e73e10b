// Block-quantized types: the meaning of their bytes. A block has `block_elements` numbers of 2 to 8 bits and one or two
// scales for all or for each part of them. The types, their layouts and their names are those of GGUF files
// (github.com/ggml-org/ggml, ggml-common.h); 16-bit fields are little-endian.
#pragma once

#include "base/dtype.h"

#include <cstddef>
#include <cstdint>

namespace vitro {

/// out[0..elements) = the values of whole blocks of a block-quantized or rounded type. Each is rounded as the type's
/// definition says, scale times number first, then the minimum subtracted, so the bits are the same on every machine.
void dequantize(DType dtype, const std::byte* blocks, std::int64_t elements, float* out);

}  // namespace vitro
