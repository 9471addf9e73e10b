// The rows of b, a model's weights, are the rows of the first tile, read where they lie; the tokens, rows of a, are the
// columns of the second one, for which they are turned once. A tile of sums has 16 rows of b and up to 16 tokens, and
// takes all of K at once. Two groups of 16 rows meet all tokens of a block while they are in the second cache.
#include "ops/matmul/bf16_tiles_cpu.h"

#include "backends/cpu/simd_tile.h"
#include "base/checked.h"

#include <algorithm>
#include <bit>

#if VITRO_HAS_AMX

namespace vitro::inline VITRO_ISA {
namespace {

using simd::Floats;

constexpr std::int64_t kGroup = amx::kRows;                    // rows of b, or tokens, in a tile
constexpr std::int64_t kStep = 32;                             // elements of a row of a tile
constexpr std::int64_t kGroups = ProductBlock::kRow / kGroup;  // of rows of b in a block of the product
constexpr std::int64_t kTokens = 256;                          // in it, at most
constexpr std::int64_t kAhead = 1024;                          // bytes of a row that are on their way from memory

// The tiles: sums [2 of b][2 of tokens], two of b, two of tokens.
constexpr int kSums = 0, kRowsOfB = 4, kTokensOfA = 6;

/// One thread's memory; behind it are the sums of a block, [group][tile of tokens].
struct Scratch {
    alignas(64) std::byte rest[2][amx::kTile];           // of the rows, where K ends within a step
    alignas(64) float out[kGroup * ProductBlock::kRow];  // of one tile of tokens
};

/// A tile of sums, [row][token].
using Sums = float[kGroup][kGroup];

/// Up to 16 rows of b, and where their sums stand in a row of a block.
struct Group {
    const std::byte* data;
    std::int64_t rows, column;
};

class TilesProduct {
public:
    TilesProduct(const Product& p, std::span<std::byte> scratch, ThreadPool& pool, FinishBlock finish, void* context)
        : p_(p),
          pool_(pool),
          scratch_(scratch.data()),
          turned_(scratch.data() + thread_bytes(p) * pool.threads()),
          finish_(finish),
          context_(context),
          steps_((p.k + kStep - 1) / kStep),
          width_(width_of(p)),
          token_blocks_((p.m + kTokens - 1) / kTokens) {
        const std::int64_t share =
            round_up<std::int64_t>(p.n / (4 * pool.threads()), 2 * kGroup);  // four blocks a thread
        chunk_ = std::clamp<std::int64_t>(share, kGroup, p.parts == 1 ? ProductBlock::kRow : ProductBlock::kPart);
        chunks_ = (p.n + chunk_ - 1) / chunk_;
    }

    static std::int64_t bytes(const Product& p, const ThreadPool& pool) {
        return thread_bytes(p) * pool.threads() + turned_bytes(p);
    }

    void run() const {
        const std::int64_t tiles = p_.batch * token_tiles();
        const auto turn_all = [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t tile = begin; tile < end; ++tile) turn(tile / token_tiles(), tile % token_tiles());
        };
        tiles == 1 ? turn_all(0, 1, 0) : pool_.parallel_for(tiles, 1, turn_all);
        const std::int64_t units = p_.batch * chunks_ * token_blocks_;
        pool_.parallel_for(units, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
            amx::use(shapes(kGroup));
            for (std::int64_t unit = begin; unit < end; ++unit) multiply(unit, scratch_ + thread_bytes(p_) * thread);
            amx::release();
        });
    }

private:
    static std::int64_t thread_bytes(const Product& p) {
        const std::int64_t tiles = (std::min(p.m, kTokens) + kGroup - 1) / kGroup;
        return std::int64_t{sizeof(Scratch)} + kGroups * tiles * std::int64_t{sizeof(Sums)};
    }
    static std::int64_t turned_bytes(const Product& p) {
        const std::int64_t tiles = (p.m + kGroup - 1) / kGroup, steps = (p.k + kStep - 1) / kStep;
        return p.batch * tiles * steps * tile_bytes(width_of(p));
    }

    /// Tokens in a tile: fewer than 16 where there are no more, since a tile of fewer is read sooner.
    static std::int64_t width_of(const Product& p) {
        return static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(std::min(p.m, kGroup))));
    }
    static std::int64_t tile_bytes(std::int64_t width) { return kGroup * width * std::int64_t{sizeof(float)}; }

    std::int64_t token_tiles() const { return (p_.m + kGroup - 1) / kGroup; }
    std::int64_t row_bytes() const { return p_.k * std::int64_t{sizeof(bf16)}; }
    const std::byte* tokens(std::int64_t item, std::int64_t tile) const {
        return turned_ + (item * token_tiles() + tile) * steps_ * tile_bytes(width_);
    }

    amx::Shapes shapes(std::int64_t rows) const {
        amx::Shapes out;
        const int row = static_cast<int>(width_ * std::int64_t{sizeof(float)});
        for (int i = 0; i < 4; ++i) out.set(kSums + i, static_cast<int>(rows), row);
        for (int i = 0; i < 2; ++i) {
            out.set(kRowsOfB + i, static_cast<int>(rows), amx::kRow);
            out.set(kTokensOfA + i, amx::kRows, row);
        }
        return out;
    }

    /// The tokens of a tile as its columns, pairs of neighbours together, with zeros where tokens or K end.
    void turn(std::int64_t item, std::int64_t tile) const {
        const std::int64_t first = tile * kGroup, m = std::min(kGroup, p_.m - first), pairs = p_.k / 2;
        const float* const from = static_cast<const float*>(p_.a) + (item * p_.m + first) * pairs;
        auto* to = reinterpret_cast<float*>(turned_ + (item * token_tiles() + tile) * steps_ * tile_bytes(width_));
        simd::each(pairs, [&](std::int64_t i, auto lanes) {
            Floats square[kGroup] = {};
            for (std::int64_t t = 0; t < m; ++t) square[t] = simd::load(from + t * pairs + i, lanes);
            simd::transpose(square);
            for (std::int64_t pair = 0; pair < kGroup; ++pair, to += width_)
                std::memcpy(to, &square[pair], sizeof(float) * static_cast<std::size_t>(width_));
        });
    }

    void multiply(std::int64_t unit, std::byte* memory) const {
        Scratch& mine = *reinterpret_cast<Scratch*>(memory);
        auto* const sums = reinterpret_cast<Sums*>(memory + sizeof(Scratch));
        const std::int64_t item = unit / token_blocks_ / chunks_, column = unit / token_blocks_ % chunks_ * chunk_;
        const std::int64_t n = std::min(chunk_, p_.n - column), first = unit % token_blocks_ * kTokens;
        const std::int64_t m = std::min(kTokens, p_.m - first), tiles = (m + kGroup - 1) / kGroup;
        Group groups[kGroups + 1];
        std::int64_t count = 0;
        for (std::int64_t part = 0; part < p_.parts; ++part)
            for (std::int64_t i = 0; i < n; i += kGroup)
                groups[count++] = {row(item, part * p_.n + column + i), std::min(kGroup, n - i),
                                   part * ProductBlock::kPart + i};
        // What this thread may get next.
        const std::int64_t next = (unit + pool_.threads()) / token_blocks_;
        groups[count] = {next < p_.batch * chunks_ ? row(next / chunks_, next % chunks_ * chunk_) : groups[0].data, 0,
                         0};
        for (std::int64_t g = 0, some; g < count; g += some) {
            some = p_.m > kGroup && g + 1 < count && groups[g].rows == kGroup && groups[g + 1].rows == kGroup ? 2 : 1;
            multiply_groups(item, first / kGroup, tiles, groups + g, some, sums + g * tiles, mine);
        }
        for (std::int64_t t = 0; t < m; t += kGroup) {
            const std::int64_t some = std::min(kGroup, m - t);
            for (std::int64_t g = 0; g < count; ++g)
                turn_back(sums[g * tiles + t / kGroup], some, mine.out + groups[g].column);
            finish_(context_, {item * p_.m + first + t, some, column, n, mine.out});
        }
    }

    const std::byte* row(std::int64_t item, std::int64_t row) const {
        return static_cast<const std::byte*>(p_.b) + (item * p_.b_stride + row * p_.k) * std::int64_t{sizeof(bf16)};
    }

    void turn_back(const Sums& sums, std::int64_t m, float* out) const {
        if (width_ == 1) return std::memcpy(out, sums, sizeof(float) * kGroup), void();
        Floats square[kGroup];
        for (std::int64_t r = 0; r < kGroup; ++r) square[r] = simd::load(&sums[r][0]);
        simd::transpose(square);
        for (std::int64_t t = 0; t < m; ++t) simd::store(out + t * ProductBlock::kRow, square[t]);
    }

    /// What one or two tiles of b and of tokens are read from.
    struct Operands {
        const std::byte* rows[2];
        std::int64_t row_stride, row_step;  // bytes from one row, one step to the next
        const std::byte* tokens[2];
    };

    /// Adds `steps` steps to the sums of kB groups of rows and kA tiles of tokens. `ahead(group, step)` is called
    /// before each.
    template <int kB, int kA, class Ahead>
    [[gnu::always_inline]] void add_steps(const Operands& from, std::int64_t steps, Ahead&& ahead) const {
        const std::int64_t token_row = width_ * std::int64_t{sizeof(float)}, token_step = tile_bytes(width_);
        for (std::int64_t step = 0; step < steps; ++step) {
            amx::load<kTokensOfA>(from.tokens[0] + step * token_step, token_row);
            if constexpr (kA == 2) amx::load<kTokensOfA + 1>(from.tokens[1] + step * token_step, token_row);
            ahead(0, step);
            amx::load<kRowsOfB>(from.rows[0] + step * from.row_step, from.row_stride);
            amx::multiply_bf16<kSums, kRowsOfB, kTokensOfA>();
            if constexpr (kA == 2) amx::multiply_bf16<kSums + 1, kRowsOfB, kTokensOfA + 1>();
            if constexpr (kB == 2) {
                ahead(1, step);
                amx::load<kRowsOfB + 1>(from.rows[1] + step * from.row_step, from.row_stride);
                amx::multiply_bf16<kSums + 2, kRowsOfB + 1, kTokensOfA>();
                if constexpr (kA == 2) amx::multiply_bf16<kSums + 3, kRowsOfB + 1, kTokensOfA + 1>();
            }
        }
    }

    /// Calls body(tile, group, tokens) for the tiles of sums of kB groups and kA tiles of tokens.
    template <int kB, int kA, class Body>
    [[gnu::always_inline]] static void each_sum(Body&& body) {
        simd::unrolled<kB * kA>([&](auto i) __attribute__((always_inline)) {
            body(std::integral_constant<int, kSums + i / kA * 2 + i % kA>{}, i / kA, i % kA);
        });
    }
    template <int kB, int kA>
    [[gnu::always_inline]] static void clear() {
        each_sum<kB, kA>([](auto tile, int, int) __attribute__((always_inline)) { amx::zero<tile>(); });
    }

    /// sums [kB, count] = those of kB groups, 1 or 2, and `count` tiles of tokens from tile `first` on. What comes
    /// behind the groups is read next.
    void multiply_groups(std::int64_t item, std::int64_t first, std::int64_t count, const Group* groups,
                         std::int64_t kB, Sums* sums, Scratch& mine) const {
        const bool ragged = groups[0].rows < kGroup;  // then it is alone
        if (ragged) amx::use(shapes(groups[0].rows));
        using One = std::integral_constant<int, 1>;
        using Two = std::integral_constant<int, 2>;
        for (std::int64_t tile = 0, some; tile < count; tile += some) {
            some = std::min<std::int64_t>(2, count - tile);
            const auto go = [&](auto b, auto a) {
                multiply_tiles<b, a>({tokens(item, first + tile), tokens(item, first + tile + some - 1)}, groups,
                                     tile == 0, sums + tile, count, mine);
            };
            if (kB == 1)
                some == 1 ? go(One{}, One{}) : go(One{}, Two{});
            else
                some == 1 ? go(Two{}, One{}) : go(Two{}, Two{});
        }
        if (ragged) amx::use(shapes(kGroup));
    }

    /// `tiles`: from the sums of one group to those of the next. The first tile of tokens asks for the rows from
    /// memory, and for the next groups' first ones.
    template <int kB, int kA>
    [[gnu::noinline]] void multiply_tiles(const std::byte* const (&x)[2], const Group* groups, bool first, Sums* sums,
                                          std::int64_t tiles, Scratch& mine) const {
        clear<kB, kA>();
        const std::int64_t whole = p_.k / kStep, bytes = row_bytes();
        const Operands from{{groups[0].data, groups[kB - 1].data}, bytes, amx::kRow, {x[0], x[1]}};
        if (first)
            add_steps<kB, kA>(
                from, whole, [&](int b, std::int64_t step) __attribute__((always_inline)) {
                    const std::int64_t at = step * amx::kRow + kAhead;
                    const std::byte* const line = at < bytes ? groups[b].data + at : groups[kB].data + (at - bytes);
                    for (std::int64_t r = 0; r < kGroup; ++r) __builtin_prefetch(line + r * bytes);
                });
        else
            add_steps<kB, kA>(from, whole, [](int, std::int64_t) {});
        if (whole < steps_) {
            for (int b = 0; b < kB; ++b) copy_rest(groups[b], mine.rest[b]);
            const std::int64_t at = whole * tile_bytes(width_);
            const Operands rest{{mine.rest[0], mine.rest[1]}, amx::kRow, 0, {x[0] + at, x[1] + at}};
            add_steps<kB, kA>(rest, 1, [](int, std::int64_t) {});
        }
        const std::int64_t stride = width_ == 1 ? std::int64_t{sizeof(float)} : amx::kRow;
        each_sum<kB, kA>([&](auto sum, int b, int a)
                             __attribute__((always_inline)) { amx::store<sum>(&sums[b * tiles + a], stride); });
    }

    /// What of a group's rows is behind the last whole step, and zeros.
    void copy_rest(const Group& group, std::byte* to) const {
        const std::int64_t at = p_.k / kStep * amx::kRow;
        std::memset(to, 0, amx::kTile);
        for (std::int64_t r = 0; r < group.rows; ++r)
            std::memcpy(to + r * amx::kRow, group.data + r * row_bytes() + at,
                        static_cast<std::size_t>(row_bytes() - at));
    }

    const Product& p_;
    ThreadPool& pool_;
    std::byte *scratch_, *turned_;
    FinishBlock finish_;
    void* context_;
    std::int64_t steps_, width_, token_blocks_, chunk_, chunks_;
};

}  // namespace

std::size_t bf16_tiles_scratch(const Product& product, const ThreadPool& pool) {
    return static_cast<std::size_t>(TilesProduct::bytes(product, pool));
}

void multiply_bf16_tiles(const Product& product, std::span<std::byte> scratch, ThreadPool& pool, FinishBlock finish,
                         void* context) {
    TilesProduct(product, scratch, pool, finish, context).run();
}

}  // namespace vitro::inline VITRO_ISA

#endif
