// The lanes of a vector are rows of b. 32 columns at a time, four neighbours of a are multiplied with those of each row
// as integers; the sum of the 32, exact, becomes fp32, times both scales, and is added to the row's sum; an offset is
// multiplied with the sum of the same numbers of a. So a sum takes the same roundings in the same order on every path.
//
// For many rows of a, two groups of 16 rows and 256 columns of b are expanded to bytes in the first cache; for a few,
// the numbers go from the packed blocks right into the products.
#include "ops/matmul/packed_product_cpu.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/rounded.h"
#include "ops/matmul/expand_blocks.h"

#include <algorithm>

namespace vitro::inline VITRO_ISA {
namespace {

using simd::Bytes;
using simd::CodeKind;
using simd::Floats;
using simd::Ints;
using simd::kLanes;

constexpr int kVectors = 2;                                         // of rows of b, in a register tile
constexpr int kTilePanels = kVectors * int{kLanes} / kPackedRows;   // groups of 16 rows that these are
constexpr int kTileTokens = kLanes == 16 ? 6 : 3;                   // 12 or 6 sums of integers, as many of floats
constexpr int kGroups = 8;                                          // of 32 columns, expanded at once
constexpr std::int64_t kTokens = 128;                               // rows of a in a block of the product
constexpr std::int64_t kPanels = ProductBlock::kRow / kPackedRows;  // groups of 16 rows of b in it
constexpr std::int64_t kAhead = 6144;                               // bytes of b that are on their way from memory
constexpr std::int64_t kLine = 64;                                  // bytes of a cache line

// Where there are few tokens: panels that are read side by side, tokens that are multiplied with them at once (as
// registers allow; 0 where the machine does not multiply bytes), up to how many, and bytes of b that are on their way.
constexpr int kStreams = 2;
#ifdef __AVX2__
constexpr int kFew = kLanes == 16 ? 4 : 1;
#else
constexpr int kFew = 0;
#endif
constexpr std::int64_t kFewTokens = 2 * kFew;
constexpr std::int64_t kFewAhead = 4096;

/// One thread's memory.
struct Scratch {
    ExpandedGroup expanded[kTilePanels][kGroups];
    alignas(64) std::byte packed[kPackedRows * 512];  // 16 rows of 256 columns of any type
    alignas(64) std::byte rows[kPackedRows * 512];    // of blocks, where fewer than 16 rows are left
    alignas(64) float sums[kTokens * ProductBlock::kRow];
};

/// What a tile reads of b, and the memory of later ones, which it asks for as it goes: a burst would have to wait for
/// the few lines that can be under way at once.
struct Tile {
    const ExpandedGroup (*groups)[kGroups];  // [kTilePanels][kGroups]
    int n_groups;
    const std::byte* next[kTilePanels];
    std::int64_t next_bytes;  // for each group; 0: nothing
};

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

/// sums[t][row] of `tokens` tokens and the rows of kStreams panels of packed blocks, `n_blocks` each: where there are
/// few tokens, expanding b would cost more than multiplying with it.
template <DType blocks, int tokens>
[[gnu::noinline]] void multiply_few(const std::byte* const (&panels)[kStreams], std::int64_t n_blocks,
                                    const Rounded32* const* a, float* const (&sums)[kStreams]) {
    using Block = PackedBlock<blocks>;
    constexpr std::int64_t kBytes = kPackedRows * info(blocks).block_bytes;
    Floats acc[kStreams][Block::kVectors][tokens] = {};
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
                simd::store(sums[p] + t * ProductBlock::kRow + v * int{kLanes}, acc[p][v][t]);
}

/// What multiply_rounded needs of a type.
struct TypeFunctions {
    DType blocks;
    CodeType type;
    void (*expand)(const std::uint8_t* block, ExpandedGroup* to);
    void (*multiply)(Tile b, const Rounded32* a, std::int64_t a_row, std::int64_t tokens, bool first,
                     const CodeType& type, float* const (&sums)[kTilePanels]);
    using Few = void (*)(const std::byte* const (&panels)[kStreams], std::int64_t n_blocks, const Rounded32* const* a,
                         float* const (&sums)[kStreams]);
    Few multiply_one, multiply_few;  // 1 token, or kFew
};

template <DType blocks>
constexpr TypeFunctions functions_of() {
    constexpr CodeType type = code_type(blocks);
    // With VNNI all kinds are one.
    constexpr CodeKind kind = VITRO_HAS_VNNI ? CodeKind::any : type.kind;
    TypeFunctions::Few one = nullptr, few = nullptr;
    if constexpr (kFew > 0) {
        one = multiply_few<blocks, 1>;
        few = multiply_few<blocks, kFew>;
    }
    return {blocks,
            type,
            [](const std::uint8_t* block, ExpandedGroup* to) { PackedBlock<blocks>(block).expand(to); },
            multiply_tiles<kind, type.by_halves>,
            one,
            few};
}

const TypeFunctions& functions_of(DType blocks) {
    static constexpr TypeFunctions all[] = {
        functions_of<DType::q8_0>(), functions_of<DType::q4_0>(),   functions_of<DType::q4_1>(),
        functions_of<DType::q5_0>(), functions_of<DType::q5_1>(),   functions_of<DType::q2_k>(),
        functions_of<DType::q3_k>(), functions_of<DType::q4_k>(),   functions_of<DType::q5_k>(),
        functions_of<DType::q6_k>(), functions_of<DType::iq4_nl>(), functions_of<DType::iq4_xs>(),
        functions_of<DType::mxfp4>()};
    const auto found =
        std::find_if(std::begin(all), std::end(all), [&](const auto& row) { return row.blocks == blocks; });
    VITRO_CHECK(found != std::end(all), "no product with {}", name(blocks));
    return *found;
}

/// The rows of b: packed, or packed here, 256 columns at a time.
class PanelReader {
public:
    explicit PanelReader(const Product& p)
        : b_(static_cast<const std::byte*>(p.b)),
          is_packed_(vitro::is_packed(p.b_dtype)),
          blocks_(unpacked(p.b_dtype)),
          functions_(functions_of(blocks_)),
          rows_(p.parts * p.n),
          k_(p.k),
          row_bytes_(bytes_of(blocks_, p.k)) {}

    const TypeFunctions& functions() const { return functions_; }

    /// What stands kAhead bytes behind a group, and the bytes of a group.
    const std::byte* next(std::int64_t row, std::int64_t group) const {
        return b_ + row * row_bytes_ + group * group_bytes() + kAhead;
    }
    std::int64_t group_bytes() const { return kPackedRows * bytes_of(blocks_, k_) / (k_ / kGroupColumns); }

    bool is_packed() const { return is_packed_; }
    const std::byte* panel(std::int64_t row) const { return b_ + row * row_bytes_; }
    std::int64_t blocks() const { return k_ / info(blocks_).block_elements; }

    /// Expands `groups` groups of columns, from group `group` on, of 16 rows from `row` on.
    void expand(std::int64_t row, std::int64_t group, int groups, Scratch& mine, ExpandedGroup* to) const {
        const DTypeInfo& type = info(blocks_);
        const std::int64_t block_groups = type.block_elements / kGroupColumns, first = group / block_groups;
        const std::int64_t blocks = groups / block_groups;
        const auto* from =
            reinterpret_cast<const std::uint8_t*>(b_ + row * row_bytes_ + first * kPackedRows * type.block_bytes);
        if (!is_packed_) {
            pack(row, first * type.block_bytes, groups * kGroupColumns, mine);
            from = reinterpret_cast<const std::uint8_t*>(mine.packed);
        }
        for (std::int64_t block = 0; block < blocks; ++block) {
            const std::uint8_t* const bytes = from + block * kPackedRows * type.block_bytes;
            functions_.expand(bytes, to + block * block_groups);
        }
    }

private:
    void pack(std::int64_t row, std::int64_t at, std::int64_t columns, Scratch& mine) const {
        const std::byte* from = b_ + row * row_bytes_ + at;
        std::int64_t row_bytes = row_bytes_;
        if (rows_ - row < kPackedRows) {
            row_bytes = bytes_of(blocks_, columns);
            std::memset(mine.rows, 0, sizeof mine.rows);
            for (std::int64_t r = 0; r < rows_ - row; ++r)
                std::memcpy(mine.rows + r * row_bytes, from + r * row_bytes_, static_cast<std::size_t>(row_bytes));
            from = mine.rows;
        }
        pack_group(packed(blocks_), from, row_bytes, columns, mine.packed);
    }

    const std::byte* b_;
    bool is_packed_;
    DType blocks_;
    const TypeFunctions& functions_;
    std::int64_t rows_, k_, row_bytes_;
};

/// Rows of b that a block of the product has of each part: four blocks a thread at least.
std::int64_t chunk_rows(const Product& p, const ThreadPool& pool) {
    const std::int64_t share = round_up<std::int64_t>(p.n / (4 * pool.threads()), 2 * kPackedRows);
    const std::int64_t most = p.parts == 1 ? ProductBlock::kRow : ProductBlock::kPart;
    return std::clamp<std::int64_t>(share, kPackedRows, most);
}

/// multiply_few for the panels that begin at `rows`, kFew tokens at a time; the last one stands for those that are
/// missing.
void multiply_panels(const PanelReader& reader, const Rounded32* a, std::int64_t a_row, std::int64_t tokens,
                     std::span<const std::int64_t> rows, float* const* sums) {
    const TypeFunctions& functions = reader.functions();
    const auto panels = std::ssize(rows), turns = (panels + kStreams - 1) / kStreams;
    for (std::int64_t turn = 0; turn < turns; ++turn) {
        const std::byte* from[kStreams];
        float* to[kStreams];
        for (int i = 0; i < kStreams; ++i) {
            const auto panel = static_cast<std::size_t>(std::min(turn + i * turns, panels - 1));
            from[i] = reader.panel(rows[panel]);
            to[i] = sums[panel];
        }
        for (std::int64_t first = 0; first < tokens; first += kFew) {
            const Rounded32* x[std::max(kFew, 1)];
            for (std::int64_t t = 0; t < kFew; ++t) x[t] = a + std::min(first + t, tokens - 1) * a_row;
            (tokens == 1 ? functions.multiply_one : functions.multiply_few)(from, reader.blocks(), x, to);
            for (float*& sum : to) sum += kFew * ProductBlock::kRow;
        }
    }
}

}  // namespace

std::size_t rounded_scratch(const Product&, const ThreadPool& pool) {
    return sizeof(Scratch) * static_cast<std::size_t>(pool.threads());
}

void multiply_rounded(const Product& p, std::span<std::byte> scratch, ThreadPool& pool, FinishBlock finish,
                      void* context) {
    const PanelReader reader(p);
    const TypeFunctions& functions = reader.functions();
    const std::int64_t chunk = chunk_rows(p, pool), chunks = (p.n + chunk - 1) / chunk;
    const std::int64_t token_blocks = (p.m + kTokens - 1) / kTokens, all_groups = p.k / kGroupColumns;
    auto* const scratches = reinterpret_cast<Scratch*>(scratch.data());
    const bool few = reader.is_packed() && p.m <= kFewTokens;
    pool.parallel_for(chunks * token_blocks, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
        Scratch& mine = scratches[thread];
        for (std::int64_t unit = begin; unit < end; ++unit) {
            const std::int64_t j = unit / token_blocks * chunk, n = std::min(chunk, p.n - j);
            const std::int64_t first = unit % token_blocks * kTokens, tokens = std::min(kTokens, p.m - first);
            // Of each 16 rows where they begin, in b and among the sums. The halves of the block go side by side.
            std::int64_t rows[kPanels];
            float* sums[kPanels];
            std::int64_t panels = 0;
            for (std::int64_t part = 0; part < p.parts; ++part)
                for (std::int64_t i = 0; i < n; i += kPackedRows, ++panels) {
                    rows[panels] = part * p.n + j + i;
                    sums[panels] = mine.sums + part * ProductBlock::kPart + i;
                }
            if (few) {
                multiply_panels(reader, static_cast<const Rounded32*>(p.a), all_groups, tokens,
                                {rows, std::size_t(panels)}, sums);
                finish(context, {first, tokens, j, n, mine.sums});
                continue;
            }
            const std::int64_t tiles = (panels + kTilePanels - 1) / kTilePanels;
            for (std::int64_t tile = 0; tile < tiles; ++tile) {
                float* tile_sums[kTilePanels];
                std::int64_t tile_rows[kTilePanels];
                for (int i = 0; i < kTilePanels; ++i) {
                    const std::int64_t panel = std::min(tile + i * tiles, panels - 1);
                    tile_rows[i] = rows[panel];
                    tile_sums[i] = sums[panel];
                }
                for (std::int64_t group = 0; group < all_groups; group += kGroups) {
                    const int groups = static_cast<int>(std::min<std::int64_t>(kGroups, all_groups - group));
                    Tile b{mine.expanded, groups, {}, reader.group_bytes()};
                    for (int i = 0; i < kTilePanels; ++i) {
                        reader.expand(tile_rows[i], group, groups, mine, mine.expanded[i]);
                        b.next[i] = reader.next(tile_rows[i], group);
                    }
                    functions.multiply(b, static_cast<const Rounded32*>(p.a) + first * all_groups + group, all_groups,
                                       tokens, group == 0, functions.type, tile_sums);
                }
            }
            finish(context, {first, tokens, j, n, mine.sums});
        }
    });
}

}  // namespace vitro::inline VITRO_ISA
