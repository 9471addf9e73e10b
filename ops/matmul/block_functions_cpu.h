// The functions of a type of block, for the files that list them.
#pragma once

#include "ops/matmul/block_product_cpu.h"

#include <algorithm>

namespace vitro::inline VITRO_ISA {

/// MultiplyFew for kTokens tokens; where there are fewer, the last one stands for those that are missing.
template <DType blocks, int kTokens>
[[gnu::noinline]] void multiply_panel(const PanelBlocks& b, const Rounded32* a, std::int64_t a_row, std::int64_t tokens,
                                      bool first, float* sums) {
    using Block = PackedBlock<blocks>;
    const auto at = [&](int v, int t) { return sums + t * ProductBlock::kRow + v * int{simd::kLanes}; };
    simd::Floats acc[Block::kVectors][kTokens] = {};
    if (!first)
        for (int v = 0; v < Block::kVectors; ++v)
            for (int t = 0; t < kTokens; ++t) acc[v][t] = simd::load(at(v, t));
    std::int64_t row[kTokens];  // where tokens begin, from the first one on: one pointer moves, not one for each token
    for (int t = 0; t < kTokens; ++t) row[t] = std::min<std::int64_t>(t, tokens - 1) * a_row;
    const std::byte* block = b.data;
    for (std::int64_t i = 0; i < b.count; ++i, block += kPackedRows * info(blocks).block_bytes, a += Block::kGroups) {
        const Rounded32* x[kTokens];
        for (int t = 0; t < kTokens; ++t) x[t] = a + row[t];
        Block(reinterpret_cast<const std::uint8_t*>(block)).template multiply<kTokens>(x, b.ahead, acc);
    }
    for (int v = 0; v < Block::kVectors; ++v)
        for (int t = 0; t < kTokens; ++t) simd::store(at(v, t), acc[v][t]);
}

template <DType blocks>
void multiply_few(const PanelBlocks& b, const Rounded32* a, std::int64_t a_row, std::int64_t tokens, bool first,
                  float* sums) {
    if (tokens == 1) return multiply_panel<blocks, 1>(b, a, a_row, tokens, first, sums);
    if constexpr (kFew > 1) {
        if (tokens <= kFew / 2) return multiply_panel<blocks, kFew / 2>(b, a, a_row, tokens, first, sums);
        multiply_panel<blocks, kFew>(b, a, a_row, tokens, first, sums);
    }
}

template <DType blocks>
constexpr BlockFunctions block_functions() {
    MultiplyFew few = nullptr;
    if constexpr (kFew > 0) few = multiply_few<blocks>;
    return {blocks, code_type(blocks),
            [](const std::uint8_t* block, ExpandedGroup* to) { PackedBlock<blocks>(block).expand(to); }, few};
}

}  // namespace vitro::inline VITRO_ISA
