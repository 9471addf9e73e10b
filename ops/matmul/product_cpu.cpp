// Every output element is the same sum on every path, so one row alone gives the bits of that row among many: k goes in
// blocks of kBlockK; within a block lane l takes k = l, l + kLanes, … in order (zeros fill up the last vector) and
// simd::sums adds the lanes; the blocks' sums are added in order.
//
// Where the CPU multiplies pairs of bf16 (MultiplyBf16Pairs), two neighbours of a and of b are one element, taken as a
// float's bits: k counts pairs, and only what multiplies is another. With AMX they are multiplied in tiles instead.
#include "ops/matmul/product_cpu.h"

#include "backends/cpu/simd_tile.h"
#include "base/blocks.h"
#include "base/checked.h"
#include "ops/matmul/arithmetic.h"
#include "ops/matmul/bf16_tiles_cpu.h"
#include "ops/matmul/packed_product_cpu.h"

#include <algorithm>

namespace vitro::inline VITRO_ISA {
namespace {

using simd::Floats;
using simd::Floats4;
using simd::kLanes;
using simd::Rows;

constexpr std::int64_t kBlockK = 64 * kLanes;
constexpr int kTileA = kLanes == 16 ? 6 : 3, kTileB = 4;  // rows of a register tile: sums, a's and one of b's fill them
constexpr std::int64_t kFewRows = 4 * kTileA;             // up to so many rows of a, b is read where it lies
constexpr std::int64_t kStream = 96 << 10;  // bytes of b that a thread reads front to back, kTileB such streams at once
constexpr std::int64_t kBlockM = 132;       // rows of a in a block of the product, a multiple of kTileA
constexpr std::int64_t kMaxBlockN = ProductBlock::kRow;  // rows of b in it, a multiple of kTileB

/// One thread's memory for a block of b and of the product.
struct Scratch {
    alignas(64) float b[kMaxBlockN * kBlockK];    // [kMaxBlockN / kTileB, kBlockK / kLanes, kTileB, kLanes]
    alignas(64) float out[kBlockM * kMaxBlockN];  // [kBlockM, kMaxBlockN]
};

/// A product on its way: a few rows of a are fp32.
struct Work : Product {
    Scratch* scratch;  // one a thread
    float* converted;  // what of a is converted
    ThreadPool& pool;
    FinishBlock finish_block;
    void* context;

    void finish(const ProductBlock& block) const { finish_block(context, block); }
    /// Columns of each part that fit into a block.
    std::int64_t max_columns() const { return parts == 1 ? kMaxBlockN : ProductBlock::kPart; }
};

/// out [kA, kTileB], rows `out_row` apart, = (+ what is there, but for the first block) the sums of the lanes.
template <int kA>
[[gnu::always_inline]] inline void add_sums(const Floats (&acc)[kA][kTileB], bool first, float* out,
                                            std::int64_t out_row) {
    simd::unrolled<kA>([&](auto r) __attribute__((always_inline)) {
        Floats4 total = {};
        if (!first) std::memcpy(&total, out + r * out_row, sizeof total);
        total += simd::sums(acc[r][0], acc[r][1], acc[r][2], acc[r][3]);
        std::memcpy(out + r * out_row, &total, sizeof total);
    });
}

/// Adds to out [kA, kTileB] the sums of a block of k, at most kBlockK, for kA rows of a (`a_row` elements apart) and
/// kTileB rows of b (`b_row` elements apart).
template <class Multiply, int kA, class B>
[[gnu::noinline]] void add_dots(const float* a, std::int64_t a_row, const B* b, std::int64_t b_row, std::int64_t k,
                                bool first, float* out) {
    constexpr std::int64_t kAhead = 1024 / sizeof(B), kLine = 64 / sizeof(B);
    constexpr std::int64_t kTurn = std::max(kLine / kLanes, std::int64_t{2});  // steps, a cache line or two
    Floats acc[kA][kTileB] = {};
    std::int64_t i = 0;
    for (; i + kTurn * kLanes <= k; i += kTurn * kLanes) {
        for (int j = 0; j < kTileB; ++j)
            for (std::int64_t line = 0; line < kTurn * kLanes; line += kLine)
                __builtin_prefetch(b + i + j * b_row + kAhead + line);
        simd::multiply_tile<Multiply, kA, kTileB>(Rows<float>{a + i, a_row, kLanes}, Rows<B>{b + i, b_row, kLanes},
                                                  kTurn, acc);
    }
    const std::int64_t steps = (k - i) / kLanes;
    simd::multiply_tile<Multiply, kA, kTileB>(Rows<float>{a + i, a_row, kLanes}, Rows<B>{b + i, b_row, kLanes}, steps,
                                              acc);
    i += steps * kLanes;
    if (i < k) {
        const simd::First rest{k - i};
        simd::unrolled<kTileB>([&](auto j) __attribute__((always_inline)) {
            const Floats y = simd::load(b + i + j * b_row, rest);
            simd::unrolled<kA>([&](auto r) __attribute__((always_inline)) {
                acc[r][j] = Multiply::add(simd::load(a + r * a_row + i, rest), y, acc[r][j]);
            });
        });
    }
    add_sums(acc, first, out, kTileB);
}

/// The same sums from tiles: of `steps` vectors each, kTileA rows of a, of which kA are multiplied, and kTileB of b.
template <class Multiply, int kA>
[[gnu::noinline]] void multiply_tiles(const float* a, const float* b, std::int64_t steps, bool first, float* out,
                                      std::int64_t out_row) {
    constexpr std::int64_t kStepA = kTileA * kLanes, kStepB = kTileB * kLanes, kTurn = 2;
    Floats acc[kA][kTileB] = {};
    const std::int64_t rest = steps % kTurn;
    for (std::int64_t turn = steps / kTurn; turn > 0; --turn, a += kTurn * kStepA, b += kTurn * kStepB) {
        simd::multiply_tile<Multiply, kA, kTileB>(Rows<float>{a, kLanes, kStepA}, Rows<float>{b, kLanes, kStepB}, kTurn,
                                                  acc);
    }
    simd::multiply_tile<Multiply, kA, kTileB>(Rows<float>{a, kLanes, kStepA}, Rows<float>{b, kLanes, kStepB}, rest,
                                              acc);
    add_sums(acc, first, out, out_row);
}

/// Calls body(i, n) for 0, kTileA, … below m, n the rows from i on, at most kTileA, as a constant.
template <class Body>
void each_tile(std::int64_t m, Body&& body) {
    std::int64_t i = 0;
    for (; i + kTileA <= m; i += kTileA) body(i, std::integral_constant<int, kTileA>{});
    simd::unrolled<kTileA>([&](auto rest) {
        if constexpr (rest > 0)
            if (m - i == rest) body(i, rest);
    });
}

/// total [m, kTileB] = products of `m` rows of a, on end, and kTileB rows of b.
template <class Multiply, class B>
void dots(const float* a, std::int64_t m, const B* b, std::int64_t b_row, std::int64_t k, float* total) {
    std::int64_t at = 0;
    do {
        each_tile(m, [&](std::int64_t i, auto n) {
            add_dots<Multiply, n>(a + i * k + at, k, b + at, b_row, std::min(kBlockK, k - at), at == 0,
                                  total + i * kTileB);
        });
        at += kBlockK;
    } while (at < k);
}

/// sums [m, kMaxBlockN] of m rows of a and n rows of b, read at four places at once, each front to back: memory gives
/// the most to a few long streams.
template <class Multiply, class B>
void few_dots(const float* a, std::int64_t m, const B* b, std::int64_t n, std::int64_t k, float* sums) {
    const std::int64_t apart = n / kTileB;
    float total[kFewRows * kTileB];
    for (std::int64_t r = 0; r < apart; ++r) {
        dots<Multiply>(a, m, b + r * k, apart * k, k, total);
        for (std::int64_t i = 0; i < m; ++i)
            for (std::int64_t l = 0; l < kTileB; ++l) sums[i * kMaxBlockN + r + l * apart] = total[i * kTileB + l];
    }
    for (std::int64_t r = apart * kTileB; r < n; ++r) {  // too few for a tile: one row as if it were four
        dots<Multiply>(a, m, b + r * k, 0, k, total);
        for (std::int64_t i = 0; i < m; ++i) sums[i * kMaxBlockN + r] = total[i * kTileB];
    }
}

/// A few rows of a against rows of b where they lie, a chunk of those at a time.
template <class Multiply, class B>
void multiply_few(const Work& w) {
    const std::int64_t share = w.batch * w.n / (kTileB * 4 * w.pool.threads());  // four chunks a thread at least
    const std::int64_t row_bytes = std::max<std::int64_t>(1, w.k * std::int64_t(sizeof(B)));
    const std::int64_t tiles = std::min(kStream / row_bytes, w.max_columns() / kTileB);
    const std::int64_t chunk = kTileB * std::clamp<std::int64_t>(tiles, 1, std::max<std::int64_t>(1, share));
    const std::int64_t chunks = (w.n + chunk - 1) / chunk;
    w.pool.parallel_for(w.batch * chunks, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
        float* sums = w.scratch[thread].out;
        for (std::int64_t c = begin; c < end; ++c) {
            const std::int64_t item = c / chunks, j = c % chunks * chunk, n = std::min(chunk, w.n - j);
            const float* a = static_cast<const float*>(w.a) + item * w.m * w.k;
            const B* b = static_cast<const B*>(w.b) + item * w.b_stride;
            for (std::int64_t part = 0; part < w.parts; ++part)
                few_dots<Multiply>(a, w.m, b + (part * w.n + j) * w.k, n, w.k, sums + part * ProductBlock::kPart);
            w.finish({item * w.m, w.m, j, n, sums});
        }
    });
}

/// Rows of b that are on their way from memory while others are multiplied.
class RowsAhead {
public:
    RowsAhead() = default;
    /// n rows of `bytes` bytes, `stride` bytes apart.
    RowsAhead(const std::byte* rows, std::int64_t stride, std::int64_t n, std::int64_t bytes)
        : row_(rows), stride_(stride), lines_((bytes + kLine - 1) / kLine), left_(n * lines_) {}

    std::int64_t lines() const { return left_; }
    void fetch(std::int64_t lines) {
        lines = std::min(lines, left_);
        left_ -= lines;
        while (lines > 0) {
            const std::int64_t run = std::min(lines, lines_ - line_);
            const std::byte* const from = row_ + line_ * kLine;
#pragma GCC unroll 4
            for (std::int64_t i = 0; i < run; ++i) __builtin_prefetch(from + i * kLine);
            lines -= run;
            line_ += run;
            if (line_ == lines_) row_ += stride_, line_ = 0;
        }
    }

private:
    static constexpr std::int64_t kLine = 64;
    const std::byte* row_ = nullptr;
    std::int64_t stride_ = 0, lines_ = 0, left_ = 0, line_ = 0;
};

/// Where element i of row r of a converted block stands, `k` elements a row: kRows rows together, vector by vector.
template <std::int64_t kRows>
struct InTiles {
    static constexpr std::int64_t kPanel = kRows;
    static constexpr std::int64_t at(std::int64_t r, std::int64_t i, std::int64_t k) {
        return r / kRows * kRows * round_up(k, kLanes) + i * kRows + r % kRows * kLanes;
    }
};

/// Block of a or b in fp32: n rows of k elements, the first one at element `at`, `stride` elements apart, whole vectors
/// and panels, filled up with zeros.
using Convert = void (*)(DType dtype, const void* from, std::int64_t at, std::int64_t stride, std::int64_t n,
                         std::int64_t k, float* to);

template <class To, class T>
void convert_rows(DType, const void* from, std::int64_t at, std::int64_t stride, std::int64_t n, std::int64_t k,
                  float* to) {
    for (std::int64_t r = 0; r < round_up<std::int64_t>(n, To::kPanel); ++r) {
        const T* const x = static_cast<const T*>(from) + at + r * stride;
        simd::each(k, [&](std::int64_t i, auto lanes) {
            simd::store(to + To::at(r, i, k), r < n ? simd::load(x + i, lanes) : Floats{});
        });
    }
}

/// The rows are columns of a matrix whose own rows are `stride` elements apart.
template <class To, class T>
void convert_columns(DType, const void* from, std::int64_t at, std::int64_t stride, std::int64_t n, std::int64_t k,
                     float* to) {
    const T* const x = static_cast<const T*>(from) + at;
    for (std::int64_t i = 0; i < k; i += kLanes) {
        simd::each(n, [&](std::int64_t r, auto lanes) {
            Floats square[kLanes] = {};
            for (std::int64_t l = 0; l < std::min(kLanes, k - i); ++l)
                square[l] = simd::load(x + (i + l) * stride + r, lanes);
            simd::transpose(square);
            const std::int64_t end = std::min(r + kLanes, round_up<std::int64_t>(n, To::kPanel));
            for (std::int64_t l = 0; l < end - r; ++l) simd::store(to + To::at(r + l, i, k), square[l]);
        });
    }
}

template <class To>
void convert_blocks(DType dtype, const void* from, std::int64_t at, std::int64_t stride, std::int64_t n, std::int64_t k,
                    float* to) {
    float row[kBlockK];
    for (std::int64_t r = 0; r < round_up<std::int64_t>(n, To::kPanel); ++r) {
        if (r < n) dequantize(dtype, static_cast<const std::byte*>(from) + bytes_of(dtype, at + r * stride), k, row);
        simd::each(k, [&](std::int64_t i, auto lanes) {
            simd::store(to + To::at(r, i, k), r < n ? simd::load(row + i, lanes) : Floats{});
        });
    }
}

template <class To>
Convert convert_of(DType dtype, bool rows) {
    if (is_block_quantized(dtype)) return convert_blocks<To>;
    return dispatch_stored_float(
        dtype, [&]<class T>(T) -> Convert { return rows ? convert_rows<To, T> : convert_columns<To, T>; });
}

/// All of a is converted to fp32 once, block after block of k; kTileB rows of b are, and stay in the first cache while
/// a block's rows of a pass, which come from the second one.
template <class Multiply>
class BlockProduct {
public:
    explicit BlockProduct(const Work& w)
        : w_(w),
          convert_a_(convert_of<InTiles<kTileA>>(w.a_dtype, true)),
          convert_b_(convert_of<InTiles<kTileB>>(w.b_dtype, w.transpose_b)),
          blocks_m_((w.m + kBlockM - 1) / kBlockM) {
        const std::int64_t share = w.batch * blocks_m_ * w.n / (4 * w.pool.threads());  // four blocks a thread at least
        block_n_ = std::clamp<std::int64_t>(round_up<std::int64_t>(share, kTileB), 24, w.max_columns());
        blocks_n_ = (w.n + block_n_ - 1) / block_n_;
    }

    static std::int64_t converted(const Product& p) {
        return p.batch * round_up<std::int64_t>(p.m, kTileA) * round_up(p.k, kLanes);
    }

    void run() const {
        const std::int64_t groups = (w_.m + kTileA - 1) / kTileA;
        w_.pool.parallel_for(w_.batch * groups, 1, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t group = begin; group < end; ++group)
                convert_group(group / groups, group % groups * kTileA);
        });
        w_.pool.parallel_for(blocks(), 1, [&](std::int64_t begin, std::int64_t end, int thread) {
            for (std::int64_t block = begin; block < end; ++block) multiply(block, w_.scratch[thread]);
        });
    }

private:
    std::int64_t blocks() const { return w_.batch * blocks_n_ * blocks_m_; }
    std::int64_t column(std::int64_t block) const { return block / blocks_m_ % blocks_n_ * block_n_; }
    std::int64_t columns(std::int64_t block) const { return std::min(block_n_, w_.n - column(block)); }

    /// Where converted rows of a matrix a stand, from row `row`, a multiple of kTileA, and element `at`, one of
    /// kBlockK, on: [kBlockK at a time, tile, vector, row, lane].
    float* a(std::int64_t item, std::int64_t row, std::int64_t at) const {
        const std::int64_t rows = round_up<std::int64_t>(w_.m, kTileA), k = round_up(w_.k, kLanes);
        return w_.converted + item * rows * k + at * rows + row * std::min(kBlockK, k - at);
    }

    void convert_group(std::int64_t item, std::int64_t row) const {
        for (std::int64_t at = 0; at < w_.k; at += kBlockK)
            convert_a_(w_.a_dtype, w_.a, (item * w_.m + row) * w_.k + at, w_.k,
                       std::min<std::int64_t>(kTileA, w_.m - row), std::min(kBlockK, w_.k - at), a(item, row, at));
    }

    /// The first element that a block reads of a part of b, from its row `row` and from `at` of the summed dimension
    /// on.
    std::int64_t b_at(std::int64_t block, std::int64_t part, std::int64_t row, std::int64_t at) const {
        const std::int64_t matrix = block / blocks_m_ / blocks_n_ * w_.b_stride;
        row += part * w_.n + column(block);
        return matrix + (w_.transpose_b ? row * w_.k + at : at * w_.n + row);
    }
    std::int64_t b_stride() const { return w_.transpose_b ? w_.k : w_.n; }

    /// What is converted after a part's `rows` rows from row `row` and element `at` on: more rows, the next part, more
    /// of the summed dimension, or what this thread may get for its next block.
    RowsAhead ahead(std::int64_t block, std::int64_t part, std::int64_t row, std::int64_t rows, std::int64_t at) const {
        if (!w_.transpose_b) return {};
        if ((row += rows) >= columns(block)) {
            row = 0;
            if (++part == w_.parts) part = 0, at += kBlockK;
            if (at >= w_.k) at = 0, block += w_.pool.threads() * blocks_m_;
            if (block >= blocks()) return {};
        }
        return {static_cast<const std::byte*>(w_.b) + bytes_of(w_.b_dtype, b_at(block, part, row, at)),
                bytes_of(w_.b_dtype, b_stride()), std::min(rows, columns(block) - row),
                bytes_of(w_.b_dtype, std::min(kBlockK, w_.k - at))};
    }

    void multiply(std::int64_t block, Scratch& mine) const {
        const std::int64_t item = block / blocks_m_ / blocks_n_, row = block % blocks_m_ * kBlockM;
        const std::int64_t m = std::min(kBlockM, w_.m - row), n = columns(block);
        const std::int64_t rows = w_.transpose_b ? kTileB : n;  // of b at a time: columns are turned many together
        std::int64_t at = 0;
        do {
            const std::int64_t k = std::min(kBlockK, w_.k - at);
            for (std::int64_t part = 0; part < w_.parts; ++part)
                for (std::int64_t j = 0; j < n; j += rows) {
                    convert_b_(w_.b_dtype, w_.b, b_at(block, part, j, at), b_stride(), std::min(rows, n - j), k,
                               mine.b);
                    multiply_rows(a(item, row, at), m, mine.b, std::min(rows, n - j), k, at == 0,
                                  ahead(block, part, j, rows, at), mine.out + part * ProductBlock::kPart + j);
                }
            at += k;
        } while (at < w_.k);
        w_.finish({item * w_.m + row, m, column(block), n, mine.out});
    }

    /// out [m, kMaxBlockN] = (+) m rows of a times n rows of b, k elements of each.
    static void multiply_rows(const float* a, std::int64_t m, const float* b, std::int64_t n, std::int64_t k,
                              bool first, RowsAhead ahead, float* out) {
        const std::int64_t whole = round_up(k, kLanes), tiles = (m + kTileA - 1) / kTileA;
        const std::int64_t lines = (ahead.lines() + tiles - 1) / tiles;
        for (std::int64_t j = 0; j < n; j += kTileB)
            each_tile(m, [&](std::int64_t i, auto n_a) {
                ahead.fetch(lines);
                multiply_tiles<Multiply, n_a>(a + i * whole, b + j * whole, whole / kLanes, first,
                                              out + i * kMaxBlockN + j, kMaxBlockN);
            });
    }

    const Work& w_;
    Convert convert_a_, convert_b_;
    std::int64_t blocks_m_, block_n_, blocks_n_;
};

/// Whether b is read where it lies.
bool few_rows(const Product& p) { return p.transpose_b && !is_block_quantized(p.b_dtype) && p.m <= kFewRows; }

/// Elements of a that are converted before the product begins.
std::int64_t converted(const Product& p) {
    if (!few_rows(p)) return BlockProduct<simd::MultiplyFloats>::converted(p);
    return p.a_dtype == DType::f32 ? 0 : p.batch * p.m * p.k;
}

bool has_pairs(const Product& p) {
    return simd::has_bf16_products() &&
           arithmetic_of(p.a_dtype, p.b_dtype, p.transpose_b, p.k) == Arithmetic::bf16_pairs;
}

/// The same product, of elements that are pairs.
Product of_pairs(Product p) {
    p.a_dtype = p.b_dtype = DType::f32;
    p.k /= 2;
    p.b_stride /= 2;
    return p;
}

/// Few rows of a in fp32, for those that read b where it lies.
const float* converted_rows(const Work& w) {
    if (w.a_dtype == DType::f32) return static_cast<const float*>(w.a);
    constexpr std::int64_t kGrain = 16384;
    dispatch_float(w.a_dtype, [&]<class A>(A) {
        const A* from = static_cast<const A*>(w.a);
        w.pool.parallel_for(converted(w), kGrain, [&](std::int64_t begin, std::int64_t end, int) {
            simd::each(end - begin, [&](std::int64_t i, auto lanes) {
                simd::store(w.converted + begin + i, simd::load(from + begin + i, lanes), lanes);
            });
        });
    });
    return w.converted;
}

}  // namespace

std::size_t product_scratch(const Product& product, const ThreadPool& pool) {
    if (is_rounded(product.a_dtype)) return rounded_scratch(product, pool);
    const bool pairs = has_pairs(product);
    if constexpr (VITRO_HAS_AMX)
        if (pairs) return bf16_tiles_scratch(product, pool);
    return sizeof(Scratch) * static_cast<std::size_t>(pool.threads()) +
           sizeof(float) * static_cast<std::size_t>(converted(pairs ? of_pairs(product) : product));
}

void multiply(const Product& product, std::span<std::byte> scratch, ThreadPool& pool, FinishBlock finish,
              void* context) {
    if (is_rounded(product.a_dtype)) return multiply_rounded(product, scratch, pool, finish, context);
    const bool pairs = has_pairs(product);
    if constexpr (VITRO_HAS_AMX)
        if (pairs) return multiply_bf16_tiles(product, scratch, pool, finish, context);
    auto* const scratches = reinterpret_cast<Scratch*>(scratch.data());
    auto* const a = reinterpret_cast<float*>(scratches + pool.threads());
    Work work{pairs ? of_pairs(product) : product, scratches, a, pool, finish, context};
    const bool few = few_rows(work);
    if (few) work.a = converted_rows(work);
    if constexpr (kLanes == 16 && !VITRO_HAS_AMX) {
        if (pairs && few) return multiply_few<simd::MultiplyBf16Pairs, float>(work);
        if (pairs) return BlockProduct<simd::MultiplyBf16Pairs>(work).run();
    }
    if (!few) return BlockProduct<simd::MultiplyFloats>(work).run();
    dispatch_stored_float(work.b_dtype, [&]<class B>(B) { multiply_few<simd::MultiplyFloats, B>(work); });
}

}  // namespace vitro::inline VITRO_ISA
