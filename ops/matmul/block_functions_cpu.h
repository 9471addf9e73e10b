// The functions of a type of block, for the files that list them.
#pragma once

#include "ops/matmul/block_product_cpu.h"

#include <algorithm>

namespace vitro::inline VITRO_ISA {

inline constexpr std::int64_t kFewAhead = 8192;  // bytes of b that are on their way from memory

/// sums[t][row] of `tokens` tokens and the rows of a panel of packed blocks, `n_blocks` of them: where there are few
/// tokens, expanding b would cost more than multiplying with it.
template <DType blocks, int tokens>
[[gnu::noinline]] void multiply_few(const std::byte* panel, std::int64_t n_blocks, const Rounded32* const* a,
                                    float* sums) {
    using Block = PackedBlock<blocks>;
    simd::Floats acc[Block::kVectors][tokens] = {};
    const Rounded32* x[tokens];
    std::copy_n(a, tokens, x);
    for (std::int64_t i = 0; i < n_blocks; ++i, panel += kPackedRows * info(blocks).block_bytes) {
        Block(reinterpret_cast<const std::uint8_t*>(panel)).template multiply<tokens>(x, kFewAhead, acc);
        for (const Rounded32*& row : x) row += Block::kGroups;
    }
    for (int v = 0; v < Block::kVectors; ++v)
        for (int t = 0; t < tokens; ++t) simd::store(sums + t * ProductBlock::kRow + v * int{simd::kLanes}, acc[v][t]);
}

template <DType blocks>
constexpr BlockFunctions block_functions() {
    MultiplyFew one = nullptr, few = nullptr;
    if constexpr (kFew > 0) {
        one = multiply_few<blocks, 1>;
        few = multiply_few<blocks, kFew>;
    }
    return {blocks, code_type(blocks),
            [](const std::uint8_t* block, ExpandedGroup* to) { PackedBlock<blocks>(block).expand(to); }, one, few};
}

}  // namespace vitro::inline VITRO_ISA
