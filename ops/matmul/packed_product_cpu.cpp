// The lanes of a vector are rows of b. 32 columns at a time, four neighbours of a are multiplied with those of each row
// as integers; the sum of the 32, exact, becomes fp32, times both scales, and is added to the row's sum; an offset is
// multiplied with the sum of the same numbers of a. So a sum takes the same roundings in the same order on every path.
//
// For many rows of a, two groups of 16 rows and 256 columns of b are expanded to bytes in the first cache; for a few,
// the numbers go from the packed blocks right into the products.
#include "ops/matmul/packed_product_cpu.h"

#include "base/checked.h"
#include "base/error.h"
#include "ops/matmul/block_product_cpu.h"

#include <algorithm>

namespace vitro::inline VITRO_ISA {
namespace {

constexpr std::int64_t kTokens = 128;                               // rows of a in a block of the product
constexpr std::int64_t kPanels = ProductBlock::kRow / kPackedRows;  // groups of 16 rows of b in it
constexpr std::int64_t kAhead = 6144;                               // bytes of b that are on their way from memory
constexpr std::int64_t kFewTokens = 2 * kFew;                       // up to how many count as few
constexpr std::int64_t kFewAhead = 8192;                            // kAhead, where they do
constexpr std::int64_t kFewColumns = 512;  // of a panel, which stay in the first cache for the next kFew tokens

/// One thread's memory.
struct Scratch {
    ExpandedGroup expanded[kTilePanels][kTileGroups];
    alignas(64) std::byte packed[kPackedRows * 512];  // 16 rows of 256 columns of any type
    alignas(64) std::byte rows[kPackedRows * 512];    // of blocks, where fewer than 16 rows are left
    alignas(64) float sums[kTokens * ProductBlock::kRow];
};

/// What multiply_rounded needs of a type.
struct TypeFunctions : BlockFunctions {
    MultiplyTiles multiply_tiles;
};

TypeFunctions functions_of(DType blocks) {
    const BlockFunctions* found = nullptr;
    for (const auto functions : {functions_of_small_blocks(), functions_of_large_blocks()})
        for (const BlockFunctions& row : functions)
            if (row.blocks == blocks) found = &row;
    VITRO_CHECK(found != nullptr, "no product with {}", name(blocks));
    return {*found, multiply_tiles_of(found->type)};
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
    /// Packed block `block` of the 16 rows from `row` on; how many they have, and the columns of one.
    const std::byte* panel(std::int64_t row, std::int64_t block) const {
        return b_ + row * row_bytes_ + block * kPackedRows * info(blocks_).block_bytes;
    }
    std::int64_t blocks() const { return k_ / block_columns(); }
    std::int64_t block_columns() const { return info(blocks_).block_elements; }

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
    TypeFunctions functions_;
    std::int64_t rows_, k_, row_bytes_;
};

/// Rows of b that a block of the product has of each part: four blocks a thread at least.
std::int64_t chunk_rows(const Product& p, const ThreadPool& pool) {
    const std::int64_t share = round_up<std::int64_t>(p.n / (4 * pool.threads()), 2 * kPackedRows);
    const std::int64_t most = p.parts == 1 ? ProductBlock::kRow : ProductBlock::kPart;
    return std::clamp<std::int64_t>(share, kPackedRows, most);
}

/// The products with the panels that begin at `rows`, one after the other, as memory gives the most. Where they pass in
/// more than one go, the later ones find a part of the panel in the first cache while the next one is on its way.
void multiply_panels(const PanelReader& reader, const Rounded32* a, std::int64_t a_row, std::int64_t tokens,
                     std::span<const std::int64_t> rows, float* const* sums) {
    const std::int64_t blocks = reader.blocks(), step = tokens <= kFew ? blocks : kFewColumns / reader.block_columns();
    for (std::size_t panel = 0; panel < rows.size(); ++panel)
        for (std::int64_t block = 0; block < blocks; block += step)
            for (std::int64_t t = 0; t < tokens; t += kFew)
                reader.functions().multiply_few(
                    {reader.panel(rows[panel], block), std::min(step, blocks - block), t == 0 ? kFewAhead : 0},
                    a + t * a_row + block * reader.block_columns() / kGroupColumns, a_row,
                    std::min<std::int64_t>(kFew, tokens - t), block == 0, sums[panel] + t * ProductBlock::kRow);
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
                for (std::int64_t group = 0; group < all_groups; group += kTileGroups) {
                    const int groups = static_cast<int>(std::min<std::int64_t>(kTileGroups, all_groups - group));
                    Tile b{mine.expanded, groups, {}, reader.group_bytes()};
                    for (int i = 0; i < kTilePanels; ++i) {
                        reader.expand(tile_rows[i], group, groups, mine, mine.expanded[i]);
                        b.next[i] = reader.next(tile_rows[i], group);
                    }
                    functions.multiply_tiles(b, static_cast<const Rounded32*>(p.a) + first * all_groups + group,
                                             all_groups, tokens, group == 0, functions.type, tile_sums);
                }
            }
            finish(context, {first, tokens, j, n, mine.sums});
        }
    });
}

}  // namespace vitro::inline VITRO_ISA
