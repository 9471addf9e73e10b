// The products with packed blocks of each type (packed_product_cpu.cpp), apart from each other, since no other code
// takes a compiler as long.
#pragma once

#include "base/rounded.h"
#include "ops/matmul/expand_blocks.h"
#include "ops/matmul/product_cpu.h"

namespace vitro::inline VITRO_ISA {

inline constexpr int kTileVectors = 2;                                              // of rows of b, in a register tile
inline constexpr int kTilePanels = kTileVectors * int{simd::kLanes} / kPackedRows;  // groups of 16 rows that these are
inline constexpr int kTileGroups = 8;                                               // of 32 columns, expanded at once

// Where there are few tokens: those that are multiplied with a panel at once, at most (as registers allow; 0 where the
// machine does not multiply bytes).
#ifdef __AVX2__
inline constexpr int kFew = simd::kLanes == 16 ? 8 : 1;
#else
inline constexpr int kFew = 0;
#endif

/// What a tile reads of b, and the memory of later ones, which it asks for as it goes: a burst would have to wait for
/// the few lines that can be under way at once.
struct Tile {
    const ExpandedGroup (*groups)[kTileGroups];  // [kTilePanels][kTileGroups]
    int n_groups;
    const std::byte* next[kTilePanels];
    std::int64_t next_bytes;  // for each group; 0: nothing
};

/// sums[t][row] of `tokens` tokens and the rows of a tile += products over the tile's columns; the first ones of a row
/// overwrite. `a`: the tokens' numbers of the first group, `a_row` groups from one token to the next. `sums`: of each
/// 16 rows, ProductBlock::kRow floats from one token to the next.
using MultiplyTiles = void (*)(Tile b, const Rounded32* a, std::int64_t a_row, std::int64_t tokens, bool first,
                               const CodeType& type, float* const (&sums)[kTilePanels]);

MultiplyTiles multiply_tiles_of(const CodeType& type);

/// Packed blocks of a panel, and the memory of later ones, which is asked for `ahead` bytes before.
struct PanelBlocks {
    const std::byte* data;
    std::int64_t count, ahead;
};

/// sums[t][row] of `tokens` tokens, at most kFew, and the rows of a panel += products over the columns of its blocks b;
/// the first ones of a row overwrite. `a`: the first token's numbers of the first block, `a_row` groups from one token
/// to the next. Rows of sums up to the kFewth may be overwritten.
using MultiplyFew = void (*)(const PanelBlocks& b, const Rounded32* a, std::int64_t a_row, std::int64_t tokens,
                             bool first, float* sums);

/// What a product needs of a type.
struct BlockFunctions {
    DType blocks;
    CodeType type;
    void (*expand)(const std::uint8_t* block, ExpandedGroup* to);
    MultiplyFew multiply_few;  // null where kFew is 0
};

std::span<const BlockFunctions> functions_of_small_blocks();  // of 32 numbers
std::span<const BlockFunctions> functions_of_large_blocks();  // of 256

}  // namespace vitro::inline VITRO_ISA
