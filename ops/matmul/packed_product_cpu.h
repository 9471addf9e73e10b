// Products of activations rounded to 8 bits (base/rounded.h) with block-quantized weights, packed or as files have
// them.
#pragma once

#include "ops/matmul/product_cpu.h"

namespace vitro::inline VITRO_ISA {

/// Bytes of scratch for multiply_rounded.
std::size_t rounded_scratch(const Product& product, const ThreadPool& pool);

/// As multiply, for a of q8_32 and b [parts * n, k] of a block-quantized type or a packed one (then n is a multiple of
/// kPackedRows): transposed, one matrix. Blocks are packed as they are read. A sum's bits depend on its row of a, its
/// row of b and K only, not on whether b is packed.
void multiply_rounded(const Product& product, std::span<std::byte> scratch, ThreadPool& pool, FinishBlock finish,
                      void* context);

}  // namespace vitro::inline VITRO_ISA
