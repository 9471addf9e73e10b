// Products of rounded activations with block-quantized weights: the numbers of 8 bits are multiplied as integers with
// the numbers of b, which are read where they lie.
#pragma once

#include "ops/matmul/product_cpu.h"

namespace vitro::inline VITRO_ISA {

/// Bytes of scratch for multiply_quantized.
std::size_t quantized_scratch(const Product& product, const ThreadPool& pool);

/// As multiply, for a in q8_32 and b [parts * n, k] of a block-quantized type: transposed, one matrix. A sum's
/// bits depend on its row of a, its row of b and K only.
void multiply_quantized(const Product& product, std::span<std::byte> scratch, ThreadPool& pool, FinishBlock finish,
                        void* context);

}  // namespace vitro::inline VITRO_ISA
