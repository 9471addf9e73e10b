// Up to 16 rows of 16-bit floats times packed blocks of weights, which are read as they are: 4 to 8 bits of a weight
// move in place of 16.
#pragma once

#include "ops/matmul/linear_epilogue_cuda.h"

namespace vitro::VITRO_DEVICE {

/// p.weight is of a packed type that reads_blocks(), without scale and norm; p.x f16 or bf16, at least one token. The
/// scratch is as large as x.
void launch_block_product(Product p, std::byte* scratch, const LinearEpilogue& epilogue, CudaBackend& backend);

}  // namespace vitro::VITRO_DEVICE
