// The functions of a type of block, for the files that list them.
#pragma once

#include "ops/matmul/block_product_cpu.h"

#include <algorithm>

namespace vitro::inline VITRO_ISA {

inline constexpr std::int64_t kFewAhead = 4096;  // bytes of b that are on their way from memory

/// sums[t][row] of `tokens` tokens and the rows of kStreams panels of packed blocks, `n_blocks` each: where there are
/// few tokens, expanding b would cost more than multiplying with it.
template <DType blocks, int tokens>
[[gnu::noinline]] void multiply_few(const std::byte* const (&panels)[kStreams], std::int64_t n_blocks,
                                    const Rounded32* const* a, float* const (&sums)[kStreams]) {
    using Block = PackedBlock<blocks>;
    constexpr std::int64_t kBytes = kPackedRows * info(blocks).block_bytes;
    simd::Floats acc[kStreams][Block::kVectors][tokens] = {};
    const Rounded32* x[tokens];
    std::copy_n(a, tokens, x);
    for (std::int64_t i = 0; i < n_blocks; ++i) {
        simd::unrolled<kStreams>([&](auto p) __attribute__((always_inline)) {
            Block(reinterpret_cast<const std::uint8_t*>(panels[p]) + i * kBytes)
                .template multiply<tokens>(x, kFewAhead, acc[p]);
        });
        for (const Rounded32*& row : x) row += Block::kGroups;
    }
    for (int p = 0; p < kStreams; ++p)
        for (int v = 0; v < Block::kVectors; ++v)
            for (int t = 0; t < tokens; ++t)
                simd::store(sums[p] + t * ProductBlock::kRow + v * int{simd::kLanes}, acc[p][v][t]);
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
