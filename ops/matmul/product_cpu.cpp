// Every output element is the same sum on every path, so one row alone gives the bits of that row among many: k goes in
// blocks of 256; within a block lane l of eight takes k = l, l + 8, … in order (zeros fill up the last eight) and
// simd::sum adds the lanes; the blocks' sums are added in order.
#include "ops/matmul/product_cpu.h"

#include "backends/cpu/simd_tile.h"
#include "base/blocks.h"
#include "base/checked.h"
#include "ops/matmul/block_product_cpu.h"
#include "ops/matmul/matmul_pack.h"

#include <algorithm>

namespace vitro::inline VITRO_ISA {
namespace {

using simd::Floats;
using simd::Floats4;
using simd::kLanes;
using simd::Rows;

constexpr std::int64_t kBlockK = 256;
constexpr int kTileA = 3, kTileB = 4;       // rows of a and of b in a register tile: 12 sums + 3 + 1 = 16 registers
constexpr std::int64_t kFewRows = 24;       // up to so many rows of a, b is read where it lies
constexpr std::int64_t kFewColumnRows = 4;  // the same for b that is not transposed
constexpr std::int64_t kStream = 96 << 10;  // bytes of b that a thread reads front to back, kTileB such streams at once
constexpr std::int64_t kGroupM = 12;        // rows of a that stay in the first cache, a multiple of kTileA
constexpr std::int64_t kBlockM = 132;       // rows of a that stay in the second cache, a multiple of kGroupM
constexpr std::int64_t kMaxBlockN = ProductBlock::kRow;  // rows of b that stay there too, a multiple of kTileB

/// One thread's memory for a block of each matrix.
struct Scratch {
    alignas(64) float a[kBlockM * kBlockK];       // [kBlockM / 3, 256 / 8, 3, 8]
    alignas(64) float b[kMaxBlockN * kBlockK];    // [kMaxBlockN / 4, 256 / 8, 4, 8]
    alignas(64) float out[kBlockM * kMaxBlockN];  // [kBlockM, kMaxBlockN]
};

/// A product on its way: a few rows of a are fp32.
struct Work : Product {
    Scratch* scratch;  // one a thread
    ThreadPool& pool;
    FinishBlock finish_block;
    void* context;

    void finish(const ProductBlock& block) const { finish_block(context, block); }
    /// Columns of each part that fit into a block.
    std::int64_t max_columns() const { return parts == 1 ? kMaxBlockN : ProductBlock::kPart; }
};

/// Sums of a block of k (at most kBlockK) for kA rows of a (`a_row` elements apart) and kTileB rows of b, added to
/// `total`.
template <int kA, class B>
void add_dots(const float* a, std::int64_t a_row, const B* b, std::int64_t b_row, std::int64_t k, Floats4* total) {
    constexpr std::int64_t kLine = 64 / sizeof(B), kAhead = 1024 / sizeof(B);
    Floats acc[kA][kTileB] = {};
    std::int64_t i = 0;
    for (; i + kLine <= k; i += kLine) {
        for (int j = 0; j < kTileB; ++j) __builtin_prefetch(b + j * b_row + i + kAhead);
        simd::multiply_tile<kA, kTileB>(Rows<float>{a + i, a_row, kLanes}, Rows<B>{b + i, b_row, kLanes},
                                        kLine / kLanes, acc);
    }
    const std::int64_t steps = (k - i) / kLanes;
    simd::multiply_tile<kA, kTileB>(Rows<float>{a + i, a_row, kLanes}, Rows<B>{b + i, b_row, kLanes}, steps, acc);
    i += steps * kLanes;
    if (i < k) {
        const simd::First rest{k - i};
        for (int j = 0; j < kTileB; ++j) {
            const Floats y = simd::load(b + j * b_row + i, rest);
            for (int r = 0; r < kA; ++r)
                acc[r][j] = simd::multiply_add(simd::load(a + r * a_row + i, rest), y, acc[r][j]);
        }
    }
    for (int r = 0; r < kA; ++r) total[r] += simd::sums(acc[r][0], acc[r][1], acc[r][2], acc[r][3]);
}

/// `total` = products of `m` rows of a, on end, and kTileB rows of b.
template <class B>
[[gnu::noinline]] void dots(const float* a, std::int64_t m, const B* b, std::int64_t b_row, std::int64_t k_total,
                            Floats4* total) {
    std::fill_n(total, m, Floats4{});
    for (std::int64_t at = 0; at < k_total; at += kBlockK) {
        const std::int64_t k = std::min(kBlockK, k_total - at);
        for (std::int64_t i = 0; i < m; i += kTileA) {
            const float* rows = a + i * k_total + at;
            if (m - i == 1)
                add_dots<1>(rows, k_total, b + at, b_row, k, total + i);
            else if (m - i == 2)
                add_dots<2>(rows, k_total, b + at, b_row, k, total + i);
            else
                add_dots<kTileA>(rows, k_total, b + at, b_row, k, total + i);
        }
    }
}

/// sums [m, kMaxBlockN] of m rows of a and n rows of b, read at four places at once, each front to back: memory gives
/// the most to a few long streams.
template <class B>
void few_dots(const float* a, std::int64_t m, const B* b, std::int64_t n, std::int64_t k, float* sums) {
    const std::int64_t apart = n / kTileB;
    Floats4 total[kFewRows];
    for (std::int64_t r = 0; r < apart; ++r) {
        dots(a, m, b + r * k, apart * k, k, total);
        for (std::int64_t i = 0; i < m; ++i)
            for (std::int64_t l = 0; l < kTileB; ++l) sums[i * kMaxBlockN + r + l * apart] = total[i][l];
    }
    for (std::int64_t r = apart * kTileB; r < n; ++r) {  // too few for a tile: one row as if it were four
        dots(a, m, b + r * k, 0, k, total);
        for (std::int64_t i = 0; i < m; ++i) sums[i * kMaxBlockN + r] = total[i][0];
    }
}

/// A few rows of a against rows of b where they lie, a chunk of those at a time.
template <class B>
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
                few_dots(a, w.m, b + (part * w.n + j) * w.k, n, w.k, sums + part * ProductBlock::kPart);
            w.finish({item * w.m, w.m, j, n, sums});
        }
    });
}

/// out[0..n) = row a times columns of b, for b [k_total, b_row] that is not transposed: the lanes of a sum are rows of
/// `lanes` [kLanes, kMaxBlockN], so that b is read along its rows.
template <class B>
void add_rows(const float* a, const B* b, std::int64_t b_row, std::int64_t n, std::int64_t k, float* lanes) {
    constexpr std::int64_t kTurn = 4 * kLanes;  // rows of b between two visits to a lane in memory
    for (std::int64_t at = 0; at < k; at += kTurn) {
        const std::int64_t end = std::min(k, at + kTurn);
        simd::each(n, [&](std::int64_t c, auto touched) {
            for (std::int64_t l = 0; l < kLanes; ++l) {
                Floats sum = simd::load(lanes + l * kMaxBlockN + c);
                for (std::int64_t i = at; i < end; i += kLanes) {
                    const bool there = i + l < end;  // zeros fill up the last eight, as on the other paths
                    sum = simd::multiply_add(simd::broadcast(there ? a[i + l] : 0.0f),
                                             there ? simd::load(b + (i + l) * b_row + c, touched) : Floats{}, sum);
                }
                simd::store(lanes + l * kMaxBlockN + c, sum);
            }
        });
    }
}

/// A few rows of a times a b that is not transposed.
template <class B>
void multiply_few_columns(const Work& w) {
    const std::int64_t blocks = (w.n + kMaxBlockN - 1) / kMaxBlockN;
    w.pool.parallel_for(w.batch * blocks, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
        float* lanes = w.scratch[thread].a;    // [m, kLanes, kMaxBlockN]
        float* total = w.scratch[thread].out;  // [m, kMaxBlockN]
        for (std::int64_t block = begin; block < end; ++block) {
            const std::int64_t item = block / blocks, j = block % blocks * kMaxBlockN;
            const std::int64_t n = std::min(kMaxBlockN, w.n - j);
            const float* a = static_cast<const float*>(w.a) + item * w.m * w.k;
            const B* b = static_cast<const B*>(w.b) + item * w.b_stride + j;
            std::fill_n(total, w.m * kMaxBlockN, 0.0f);
            for (std::int64_t at = 0; at < w.k; at += kBlockK) {
                std::fill_n(lanes, w.m * kLanes * kMaxBlockN, 0.0f);
                for (std::int64_t i = 0; i < w.m; ++i) {
                    float* mine = lanes + i * kLanes * kMaxBlockN;
                    add_rows(a + i * w.k + at, b + at * w.n, w.n, n, std::min(kBlockK, w.k - at), mine);
                    for (std::int64_t c = 0; c < n; c += kLanes) {
                        Floats x[kLanes];
                        for (int l = 0; l < kLanes; ++l) x[l] = simd::load(mine + l * kMaxBlockN + c);
                        float* to = total + i * kMaxBlockN + c;
                        simd::store(
                            to, simd::load(to) + (((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]))));
                    }
                }
            }
            w.finish({item * w.m, w.m, j, n, total});
        }
    });
}

/// Adds the sums of a block of k to out [m, kMaxBlockN], for `m` and `n` rows of the packed a and b; the first block
/// overwrites.
void multiply_block(const float* packed_a, const float* packed_b, std::int64_t m, std::int64_t n, std::int64_t k,
                    bool first, float* sums) {
    const std::int64_t steps = (k + kLanes - 1) / kLanes;
    for (std::int64_t group = 0; group < m; group += kGroupM) {
        const std::int64_t group_end = std::min(m, group + kGroupM);
        for (std::int64_t j = 0; j < n; j += kTileB) {
            const Rows<float> b{packed_b + j * kBlockK, kLanes, kTileB * kLanes};
            for (std::int64_t i = group; i < group_end; i += kTileA) {
                const Rows<float> a{packed_a + i * kBlockK, kLanes, kTileA * kLanes};
                Floats acc[kTileA][kTileB] = {};
                simd::multiply_tile<kTileA, kTileB>(a, b, steps, acc);
                for (int r = 0; r < kTileA; ++r) {
                    float* out = sums + (i + r) * kMaxBlockN + j;
                    Floats4 total = {};
                    if (!first) std::memcpy(&total, out, sizeof total);
                    total += simd::sums(acc[r][0], acc[r][1], acc[r][2], acc[r][3]);
                    std::memcpy(out, &total, sizeof total);
                }
            }
        }
    }
}

/// pack_rows or pack_columns for a dtype; `stride` in elements.
using Pack = void (*)(DType dtype, const void* from, std::int64_t stride, std::int64_t n, std::int64_t k, float* out);

/// pack_rows of blocks, of which rows of kBlockK elements are whole ones.
template <int kPanel>
void pack_blocks(DType dtype, const void* from, std::int64_t stride, std::int64_t n, std::int64_t k, float* out) {
    float rows[kPanel * kBlockK];
    for (std::int64_t r = 0; r < n; r += kPanel) {
        const std::int64_t count = std::min<std::int64_t>(kPanel, n - r);
        for (std::int64_t i = 0; i < count; ++i)
            dequantize(dtype, static_cast<const std::byte*>(from) + bytes_of(dtype, (r + i) * stride), k,
                       rows + i * kBlockK);
        pack_rows<kPanel>(rows, kBlockK, count, k, out + r * kBlockK, kBlockK);
    }
}

template <int kPanel>
Pack pack_of(DType dtype, bool rows) {
    if (is_block_quantized(dtype)) return pack_blocks<kPanel>;
    return dispatch_stored_float(dtype, [&]<class T>(T) -> Pack {
        if (rows)
            return [](DType, const void* from, std::int64_t stride, std::int64_t n, std::int64_t k, float* out) {
                pack_rows<kPanel>(static_cast<const T*>(from), stride, n, k, out, kBlockK);
            };
        return [](DType, const void* from, std::int64_t stride, std::int64_t n, std::int64_t k, float* out) {
            pack_columns<kPanel>(static_cast<const T*>(from), stride, n, k, out, kBlockK);
        };
    });
}

/// Blocks of a and b are converted to packed fp32 and multiplied in registers; a block of b serves kBlockM rows of a.
void multiply_blocks(const Work& w) {
    const Pack pack_a = pack_of<kTileA>(w.a_dtype, true), pack_b = pack_of<kTileB>(w.b_dtype, w.transpose_b);
    const auto a_at = [&](std::int64_t i) { return static_cast<const std::byte*>(w.a) + bytes_of(w.a_dtype, i); };
    const auto b_at = [&](std::int64_t i) { return static_cast<const std::byte*>(w.b) + bytes_of(w.b_dtype, i); };
    const std::int64_t blocks_m = (w.m + kBlockM - 1) / kBlockM;
    const std::int64_t share = w.batch * blocks_m * w.n / (4 * w.pool.threads());  // four blocks a thread at least
    const std::int64_t block_n = std::clamp<std::int64_t>(round_up<std::int64_t>(share, kTileB), 24, w.max_columns());
    const std::int64_t blocks_n = (w.n + block_n - 1) / block_n;
    w.pool.parallel_for(w.batch * blocks_n * blocks_m, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
        Scratch& mine = w.scratch[thread];
        for (std::int64_t block = begin; block < end; ++block) {
            const std::int64_t item = block / blocks_m / blocks_n;
            const std::int64_t i = block % blocks_m * kBlockM, m = std::min(kBlockM, w.m - i);
            const std::int64_t j = block / blocks_m % blocks_n * block_n, n = std::min(block_n, w.n - j);
            const std::int64_t a = (item * w.m + i) * w.k, b = item * w.b_stride;
            std::int64_t at = 0;
            do {
                const std::int64_t k = std::min(kBlockK, w.k - at);
                pack_a(w.a_dtype, a_at(a + at), w.k, m, k, mine.a);
                for (std::int64_t part = 0; part < w.parts; ++part) {
                    if (w.transpose_b)
                        pack_b(w.b_dtype, b_at(b + (part * w.n + j) * w.k + at), w.k, n, k, mine.b);
                    else
                        pack_b(w.b_dtype, b_at(b + at * w.n + j), w.n, n, k, mine.b);
                    multiply_block(mine.a, mine.b, m, n, k, at == 0, mine.out + part * ProductBlock::kPart);
                }
                at += k;
            } while (at < w.k);
            w.finish({item * w.m + i, m, j, n, mine.out});
        }
    });
}

bool few_rows(const Product& p) {
    return !is_block_quantized(p.b_dtype) && p.m <= (p.transpose_b ? kFewRows : kFewColumnRows);
}

/// Elements of a that are converted before the product begins.
std::int64_t converted(const Product& p) {
    const std::int64_t few = p.transpose_b ? kFewRows : kFewColumnRows;
    return p.a_dtype == DType::f32 ? 0 : p.batch * std::min(p.m, few) * p.k;
}

}  // namespace

std::size_t product_scratch(const Product& product, const ThreadPool& pool) {
    if (is_rounded(product.a_dtype)) return quantized_scratch(product, pool);
    return sizeof(Scratch) * static_cast<std::size_t>(pool.threads()) +
           sizeof(float) * static_cast<std::size_t>(converted(product));
}

void multiply(const Product& product, std::span<std::byte> scratch, ThreadPool& pool, FinishBlock finish,
              void* context) {
    if (is_rounded(product.a_dtype)) return multiply_quantized(product, scratch, pool, finish, context);
    Work work{product, reinterpret_cast<Scratch*>(scratch.data()), pool, finish, context};
    if (!few_rows(product)) return multiply_blocks(work);
    if (product.a_dtype != DType::f32) {
        auto* a = reinterpret_cast<float*>(work.scratch + pool.threads());
        constexpr std::int64_t kGrain = 16384;
        dispatch_float(product.a_dtype, [&]<class A>(A) {
            const A* from = static_cast<const A*>(product.a);
            pool.parallel_for(converted(product), kGrain, [&](std::int64_t begin, std::int64_t end, int) {
                simd::each(end - begin, [&](std::int64_t i, auto lanes) {
                    simd::store(a + begin + i, simd::load(from + begin + i, lanes), lanes);
                });
            });
        });
        work.a = a;
    }
    dispatch_stored_float(product.b_dtype, [&]<class B>(B) {
        product.transpose_b ? multiply_few<B>(work) : multiply_few_columns<B>(work);
    });
}

}  // namespace vitro::inline VITRO_ISA
