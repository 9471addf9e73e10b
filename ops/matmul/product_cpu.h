// The core of matmul and of what is fused around it: blocks of a product as fp32 sums, for the caller to finish.
#pragma once

#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/isa.h"
#include "base/dtype.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace vitro::inline VITRO_ISA {

/// sums[item, i, part * n + j] = sum over k of a[item, i, k] * b[item, part * n + j, k] (b[item, k, j] when not
/// transposed; then there is one part). Any float dtypes, b also f8e4m3, and block-quantized where it is one transposed
/// matrix; then a may be rounded, and where it is, b packed (packed_product_cpu.h).
struct Product {
    const void* a;
    DType a_dtype;
    const void* b;
    DType b_dtype;
    bool transpose_b;
    std::int64_t batch, m, n, k;
    std::int64_t b_stride;   // elements from one matrix b of the batch to the next; 0: the same for all
    std::int64_t parts = 1;  // 2: a block has the same columns of both halves of b, as a gate needs them
};

/// A finished block of the product: `rows` from `row` on (of batch * m) and `columns` from `column` on (of n).
struct ProductBlock {
    static constexpr std::int64_t kRow = 96;   // floats from a row of sums to the next
    static constexpr std::int64_t kPart = 48;  // floats from a row of the first part to that of the second
    std::int64_t row, rows, column, columns;
    float* sums;  // the block's own: may be overwritten, each row of a part up to a multiple of 16
};

/// Bytes of scratch for multiply.
std::size_t product_scratch(const Product& product, const ThreadPool& pool);

using FinishBlock = void (*)(void* context, const ProductBlock& block);
void multiply(const Product& product, std::span<std::byte> scratch, ThreadPool& pool, FinishBlock finish,
              void* context);

/// Calls finish(block) from the pool's threads until every sum was in one block. Which sums share a block depends on
/// sizes and threads; a sum's bits depend on its row of a, its row of b and K only.
template <class Finish>
void multiply(const Product& product, std::span<std::byte> scratch, ThreadPool& pool, Finish&& finish) {
    multiply(
        product, scratch, pool,
        [](void* context, const ProductBlock& block) {
            (*static_cast<std::remove_reference_t<Finish>*>(context))(block);
        },
        const_cast<void*>(static_cast<const void*>(&finish)));
}

}  // namespace vitro::inline VITRO_ISA
