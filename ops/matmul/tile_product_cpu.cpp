// Products with groups of columns that are expanded to bytes: a tile of two vectors of rows of b and a few tokens is
// held in registers.
#include "ops/matmul/block_product_cpu.h"

#include <algorithm>

namespace vitro::inline VITRO_ISA {
namespace {

using simd::Bytes;
using simd::CodeKind;
using simd::Floats;
using simd::Ints;
using simd::kLanes;

constexpr int kVectors = kTileVectors;
constexpr int kTileTokens = kLanes == 16 ? 6 : 3;  // 12 or 6 sums of integers, as many of floats
constexpr std::int64_t kLine = 64;                 // bytes of a cache line

/// sums[t][row] of kTokens tokens and the rows of a tile += products over `groups` groups of columns; the first ones of
/// a row overwrite. `a`: the tokens' numbers of the first group, `a_row` groups from one token to the next. `sums`: of
/// each 16 rows, ProductBlock::kRow floats from one token to the next.
template <CodeKind kind, bool by_halves, int tokens>
[[gnu::noinline]] void multiply_tile(const Tile& b, const Rounded32* a, std::int64_t a_row, bool first,
                                     const CodeType& type, float* const (&sums)[kTilePanels]) {
    using Sum = simd::DotSum<kind>;
    constexpr int kHalves = by_halves ? 2 : 1, kSteps = kGroupSteps / kHalves;
    constexpr int kRun = std::min(Sum::kSteps, kSteps);
    const Bytes centres[2] = {type.centres(0), type.centres(1)};
    const Bytes ones[2] = {type.ones(0), type.ones(1)};
    const auto row_of = [](int v) { return v * int{kLanes} % kPackedRows; };
    const auto panel_of = [](int v) { return v * int{kLanes} / kPackedRows; };
    Floats acc[kVectors][tokens] = {};
    if (!first)
        for (int v = 0; v < kVectors; ++v)
            for (int t = 0; t < tokens; ++t)
                acc[v][t] = simd::load(sums[panel_of(v)] + t * ProductBlock::kRow + row_of(v));
    for (int g = 0; g < b.n_groups; ++g, ++a) {
        for (int p = 0; p < kTilePanels; ++p)
            for (std::int64_t i = 0; i < b.next_bytes; i += kLine) __builtin_prefetch(b.next[p] + g * b.next_bytes + i);
        simd::unrolled<kHalves>([&](auto h) __attribute__((always_inline)) {
            Sum sum[kVectors][tokens];
            simd::unrolled<tokens>([&](auto t) __attribute__((always_inline)) {
                const Ints start = simd::multiply_pairs(simd::broadcast_bytes(a[t * a_row].sums), centres[h]);
                for (int v = 0; v < kVectors; ++v) sum[v][t].start(start);
            });
            simd::unrolled<kSteps>([&](auto s) __attribute__((always_inline)) {
                constexpr int step = h * kSteps + s;
                Bytes w[kVectors], size[kVectors];
                for (int v = 0; v < kVectors; ++v) {
                    w[v] = simd::load_bytes(&b.groups[panel_of(v)][g].code[step][4 * row_of(v)]);
                    size[v] = Sum::magnitude_of(w[v]);
                }
                simd::unrolled<tokens>([&](auto t) __attribute__((always_inline)) {
                    const Bytes x = simd::broadcast_bytes(a[t * a_row].numbers + 4 * step);
                    for (int v = 0; v < kVectors; ++v) {
                        sum[v][t].add(w[v], size[v], x, s % kRun == 0);
                        if constexpr (s % kRun == kRun - 1) sum[v][t].flush();
                    }
                });
            });
            simd::unrolled<tokens>([&](auto t) __attribute__((always_inline)) {
                const Floats x_scale = simd::broadcast(a[t * a_row].scale);
                for (int v = 0; v < kVectors; ++v) {
                    const Floats scale = simd::load(&b.groups[panel_of(v)][g].scale[h][row_of(v)]) * x_scale;
                    acc[v][t] =
                        simd::multiply_add(__builtin_convertvector(sum[v][t].total(), Floats), scale, acc[v][t]);
                }
                if (type.has_offset) {
                    const Ints x_sum = simd::multiply_pairs(simd::broadcast_bytes(a[t * a_row].sums), ones[h]);
                    const Floats x = __builtin_convertvector(x_sum, Floats) * x_scale;
                    for (int v = 0; v < kVectors; ++v)
                        acc[v][t] = simd::multiply_add(simd::load(&b.groups[panel_of(v)][g].offset[h][row_of(v)]), x,
                                                       acc[v][t]);
                }
            });
        });
    }
    for (int v = 0; v < kVectors; ++v)
        for (int t = 0; t < tokens; ++t) simd::store(sums[panel_of(v)] + t * ProductBlock::kRow + row_of(v), acc[v][t]);
}

/// multiply_tile for any number of tokens.
template <CodeKind kind, bool by_halves>
void multiply_tiles(Tile b, const Rounded32* a, std::int64_t a_row, std::int64_t tokens, bool first,
                    const CodeType& type, float* const (&sums)[kTilePanels]) {
    const auto tile = [&](std::int64_t t, auto n) {
        float* at[kTilePanels];
        for (int p = 0; p < kTilePanels; ++p) at[p] = sums[p] + t * ProductBlock::kRow;
        multiply_tile<kind, by_halves, n>(b, a + t * a_row, a_row, first, type, at);
        b.next_bytes = 0;
    };
    std::int64_t t = 0;
    for (; t + kTileTokens <= tokens; t += kTileTokens) tile(t, std::integral_constant<int, kTileTokens>{});
    simd::unrolled<kTileTokens>([&](auto rest) {
        if constexpr (rest > 0)
            if (tokens - t == rest) tile(t, rest);
    });
}

/// With VNNI all kinds are one.
template <CodeKind kind, bool by_halves>
constexpr MultiplyTiles kMultiplyTiles = multiply_tiles<VITRO_HAS_VNNI ? CodeKind::any : kind, by_halves>;

}  // namespace

MultiplyTiles multiply_tiles_of(const CodeType& type) {
    switch (type.kind) {
        case CodeKind::up_to_15:
            return kMultiplyTiles<CodeKind::up_to_15, false>;
        case CodeKind::up_to_31:
            return kMultiplyTiles<CodeKind::up_to_31, false>;
        case CodeKind::up_to_63:
            return kMultiplyTiles<CodeKind::up_to_63, true>;
        case CodeKind::any:
            break;
    }
    return kMultiplyTiles<CodeKind::any, false>;
}

}  // namespace vitro::inline VITRO_ISA
