// Products of bf16 by AMX, whose instruction multiplies a tile of 16 rows with one of 16 columns, 32 elements of each.
#pragma once

#include "backends/cpu/amx.h"
#include "ops/matmul/product_cpu.h"

namespace vitro::inline VITRO_ISA {

/// Bytes of scratch for multiply_bf16_tiles.
std::size_t bf16_tiles_scratch(const Product& product, const ThreadPool& pool);

/// As multiply, for a and b of bf16 with b transposed, and an even K; only where VITRO_HAS_AMX. A sum is made of those
/// of 32 elements (amx::multiply_bf16), added in order, on every path.
void multiply_bf16_tiles(const Product& product, std::span<std::byte> scratch, ThreadPool& pool, FinishBlock finish,
                         void* context);

}  // namespace vitro::inline VITRO_ISA
