// Every output element is the same sum on every path, so one row alone gives the bits of that row among many: k goes in
// blocks of 256; within a block lane l of eight takes k = l, l + 8, … in order (zeros fill up the last eight) and
// simd::sum adds the lanes; the blocks' sums are added in order.
#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/simd_tile.h"
#include "ops/matmul/matmul.h"
#include "ops/matmul/matmul_pack.h"

#include <algorithm>

namespace vitro {
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
constexpr std::int64_t kMaxBlockN = 96;     // rows of b that stay there too, a multiple of kTileB

/// One thread's memory for a block of each matrix.
struct Scratch {
    alignas(64) float a[kBlockM * kBlockK];       // [kBlockM / 3, 256 / 8, 3, 8]
    alignas(64) float b[kMaxBlockN * kBlockK];    // [kMaxBlockN / 4, 256 / 8, 4, 8]
    alignas(64) float out[kBlockM * kMaxBlockN];  // [kBlockM, kMaxBlockN]
};

struct Sizes {
    std::int64_t batch, m, n, k;
    std::int64_t b_stride;  // from one matrix of the batch to the next; 0: the same for all
};

Sizes sizes_of(const Call& call) {
    const Tensor &a = call.in(0), &b = call.in(1), &out = call.out();
    const std::int64_t m = a.dim(-2), n = out.dim(-1), k = a.dim(-1);
    if (b.rank == 2) return {1, out.rows(), n, k, 0};
    return {a.count(0, a.rank - 2), m, n, k, n * k};
}

/// Sums of a block of k (at most kBlockK) for kA rows of a (`a_row` elements apart) and kTileB rows of b, added to
/// `total`.
template <int kA, class A, class B>
void add_dots(const A* a, std::int64_t a_row, const B* b, std::int64_t b_row, std::int64_t k, Floats4* total) {
    constexpr std::int64_t kLine = 64 / sizeof(B), kAhead = 1024 / sizeof(B);
    Floats acc[kA][kTileB] = {};
    std::int64_t i = 0;
    for (; i + kLine <= k; i += kLine) {
        for (int j = 0; j < kTileB; ++j) __builtin_prefetch(b + j * b_row + i + kAhead);
        simd::multiply_tile<kA, kTileB>(Rows<A>{a + i, a_row, kLanes}, Rows<B>{b + i, b_row, kLanes}, kLine / kLanes,
                                        acc);
    }
    const std::int64_t steps = (k - i) / kLanes;
    simd::multiply_tile<kA, kTileB>(Rows<A>{a + i, a_row, kLanes}, Rows<B>{b + i, b_row, kLanes}, steps, acc);
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
template <class A, class B>
void dots(const A* a, std::int64_t m, const B* b, std::int64_t b_row, std::int64_t k_total, Floats4* total) {
    std::fill_n(total, m, Floats4{});
    for (std::int64_t at = 0; at < k_total; at += kBlockK) {
        const std::int64_t k = std::min(kBlockK, k_total - at);
        for (std::int64_t i = 0; i < m; i += kTileA) {
            const A* rows = a + i * k_total + at;
            if (m - i == 1)
                add_dots<1>(rows, k_total, b + at, b_row, k, total + i);
            else if (m - i == 2)
                add_dots<2>(rows, k_total, b + at, b_row, k, total + i);
            else
                add_dots<kTileA>(rows, k_total, b + at, b_row, k, total + i);
        }
    }
}

/// A few rows of a against rows of b where they lie. A thread takes a chunk of rows of b and reads it at four places at
/// once, each front to back: memory gives the most to a few long streams.
template <class A, class B>
void multiply_few(const Call& call, const Sizes& s, ThreadPool& pool) {
    const std::int64_t share = s.batch * s.n / (kTileB * 4 * pool.threads());  // four chunks a thread at least
    const std::int64_t row_bytes = std::max<std::int64_t>(1, s.k * std::int64_t(sizeof(B)));
    const std::int64_t chunk =
        kTileB * std::clamp<std::int64_t>(kStream / row_bytes, 1, std::max<std::int64_t>(1, share));
    const std::int64_t chunks = (s.n + chunk - 1) / chunk;
    pool.parallel_for(s.batch * chunks, 1, [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t c = begin; c < end; ++c) {
            const std::int64_t item = c / chunks, j = c % chunks * chunk, n = std::min(chunk, s.n - j);
            const A* a = call.in(0).as<A>() + item * s.m * s.k;
            const B* b = call.in(1).as<B>() + item * s.b_stride + j * s.k;
            A* out = call.out().as<A>() + item * s.m * s.n + j;
            const std::int64_t apart = n / kTileB;
            Floats4 total[kFewRows];
            for (std::int64_t r = 0; r < apart; ++r) {
                dots(a, s.m, b + r * s.k, apart * s.k, s.k, total);
                for (std::int64_t i = 0; i < s.m; ++i)
                    for (std::int64_t l = 0; l < kTileB; ++l) out[i * s.n + r + l * apart] = A(total[i][l]);
            }
            for (std::int64_t r = apart * kTileB; r < n; ++r) {  // too few for a tile: one row as if it were four
                dots(a, s.m, b + r * s.k, 0, s.k, total);
                for (std::int64_t i = 0; i < s.m; ++i) out[i * s.n + r] = A(total[i][0]);
            }
        }
    });
}

/// out[0..n) = row a times columns of b, for b [k_total, b_row] that is not transposed: the lanes of a sum are rows of
/// `lanes` [kLanes, kMaxBlockN], so that b is read along its rows.
template <class A, class B>
void add_rows(const A* a, const B* b, std::int64_t b_row, std::int64_t n, std::int64_t k, float* lanes) {
    constexpr std::int64_t kTurn = 4 * kLanes;  // rows of b between two visits to a lane in memory
    for (std::int64_t at = 0; at < k; at += kTurn) {
        const std::int64_t end = std::min(k, at + kTurn);
        simd::each(n, [&](std::int64_t c, auto touched) {
            for (std::int64_t l = 0; l < kLanes; ++l) {
                Floats sum = simd::load(lanes + l * kMaxBlockN + c);
                for (std::int64_t i = at; i < end; i += kLanes) {
                    const bool there = i + l < end;  // zeros fill up the last eight, as on the other paths
                    sum = simd::multiply_add(simd::broadcast(there ? float(a[i + l]) : 0.0f),
                                             there ? simd::load(b + (i + l) * b_row + c, touched) : Floats{}, sum);
                }
                simd::store(lanes + l * kMaxBlockN + c, sum);
            }
        });
    }
}

/// A few rows of a times a b that is not transposed.
template <class A, class B>
void multiply_few_columns(const Call& call, const Sizes& s, ThreadPool& pool) {
    auto* scratch = reinterpret_cast<Scratch*>(call.scratch.data());
    const std::int64_t blocks = (s.n + kMaxBlockN - 1) / kMaxBlockN;
    pool.parallel_for(s.batch * blocks, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
        float* lanes = scratch[thread].a;    // [m, kLanes, kMaxBlockN]
        float* total = scratch[thread].out;  // [m, kMaxBlockN]
        for (std::int64_t block = begin; block < end; ++block) {
            const std::int64_t item = block / blocks, j = block % blocks * kMaxBlockN;
            const std::int64_t n = std::min(kMaxBlockN, s.n - j);
            const A* a = call.in(0).as<A>() + item * s.m * s.k;
            const B* b = call.in(1).as<B>() + item * s.b_stride + j;
            A* out = call.out().as<A>() + item * s.m * s.n + j;
            std::fill_n(total, s.m * kMaxBlockN, 0.0f);
            for (std::int64_t at = 0; at < s.k; at += kBlockK) {
                std::fill_n(lanes, s.m * kLanes * kMaxBlockN, 0.0f);
                for (std::int64_t i = 0; i < s.m; ++i) {
                    float* mine = lanes + i * kLanes * kMaxBlockN;
                    add_rows(a + i * s.k + at, b + at * s.n, s.n, n, std::min(kBlockK, s.k - at), mine);
                    for (std::int64_t c = 0; c < n; c += kLanes) {
                        Floats x[kLanes];
                        for (int l = 0; l < kLanes; ++l) x[l] = simd::load(mine + l * kMaxBlockN + c);
                        float* to = total + i * kMaxBlockN + c;
                        simd::store(
                            to, simd::load(to) + (((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]))));
                    }
                }
            }
            for (std::int64_t i = 0; i < s.m; ++i)
                simd::each(n, [&](std::int64_t c, auto touched) {
                    simd::store(out + i * s.n + c, simd::load(total + i * kMaxBlockN + c), touched);
                });
        }
    });
}

/// Adds the sums of a block of k to scratch.out, for `m` and `n` rows of the packed a and b; the first block
/// overwrites.
void multiply_block(Scratch& scratch, std::int64_t m, std::int64_t n, std::int64_t k, bool first) {
    const std::int64_t steps = (k + kLanes - 1) / kLanes;
    for (std::int64_t group = 0; group < m; group += kGroupM) {
        const std::int64_t group_end = std::min(m, group + kGroupM);
        for (std::int64_t j = 0; j < n; j += kTileB) {
            const Rows<float> b{scratch.b + j * kBlockK, kLanes, kTileB * kLanes};
            for (std::int64_t i = group; i < group_end; i += kTileA) {
                const Rows<float> a{scratch.a + i * kBlockK, kLanes, kTileA * kLanes};
                Floats acc[kTileA][kTileB] = {};
                simd::multiply_tile<kTileA, kTileB>(a, b, steps, acc);
                for (int r = 0; r < kTileA; ++r) {
                    float* out = scratch.out + (i + r) * kMaxBlockN + j;
                    Floats4 total = {};
                    if (!first) std::memcpy(&total, out, sizeof total);
                    total += simd::sums(acc[r][0], acc[r][1], acc[r][2], acc[r][3]);
                    std::memcpy(out, &total, sizeof total);
                }
            }
        }
    }
}

/// Blocks of a and b are converted to packed fp32 and multiplied in registers; a block of b serves kBlockM rows of a.
template <class A, class B>
void multiply_blocks(const Call& call, const Sizes& s, bool transpose_b, ThreadPool& pool) {
    auto* scratch = reinterpret_cast<Scratch*>(call.scratch.data());
    const std::int64_t blocks_m = (s.m + kBlockM - 1) / kBlockM;
    const std::int64_t share = s.batch * blocks_m * s.n / (4 * pool.threads());  // about four blocks a thread at least
    const std::int64_t block_n = std::clamp<std::int64_t>(round_up<std::int64_t>(share, kTileB), 24, kMaxBlockN);
    const std::int64_t blocks_n = (s.n + block_n - 1) / block_n;
    pool.parallel_for(s.batch * blocks_n * blocks_m, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
        Scratch& mine = scratch[thread];
        for (std::int64_t block = begin; block < end; ++block) {
            const std::int64_t item = block / blocks_m / blocks_n;
            const std::int64_t i = block % blocks_m * kBlockM, m = std::min(kBlockM, s.m - i);
            const std::int64_t j = block / blocks_m % blocks_n * block_n, n = std::min(block_n, s.n - j);
            const A* a = call.in(0).as<A>() + (item * s.m + i) * s.k;
            const B* b = call.in(1).as<B>() + item * s.b_stride;
            std::int64_t at = 0;
            do {
                const std::int64_t k = std::min(kBlockK, s.k - at);
                pack_rows<kTileA>(a + at, s.k, m, k, mine.a, kBlockK);
                if (transpose_b)
                    pack_rows<kTileB>(b + j * s.k + at, s.k, n, k, mine.b, kBlockK);
                else
                    pack_columns<kTileB>(b + at * s.n + j, s.n, n, k, mine.b, kBlockK);
                multiply_block(mine, m, n, k, at == 0);
                at += k;
            } while (at < s.k);
            A* out = call.out().as<A>() + (item * s.m + i) * s.n + j;
            for (std::int64_t r = 0; r < m; ++r)
                simd::each(n, [&](std::int64_t c, auto lanes) {
                    simd::store(out + r * s.n + c, simd::load(mine.out + r * kMaxBlockN + c), lanes);
                });
        }
    });
}

void run(const Call& call) {
    const Sizes s = sizes_of(call);
    const bool transpose_b = call.attributes.as<Matmul>().transpose_b;
    auto& pool = static_cast<CpuBackend&>(call.backend).pool();
    dispatch_float(call.in(0).dtype, [&]<class A>(A) {
        dispatch_float(call.in(1).dtype, [&]<class B>(B) {
            if (transpose_b && s.m <= kFewRows)
                multiply_few<A, B>(call, s, pool);
            else if (!transpose_b && s.m <= kFewColumnRows)
                multiply_few_columns<A, B>(call, s, pool);
            else
                multiply_blocks<A, B>(call, s, transpose_b, pool);
        });
    });
}

std::size_t scratch(const Call& call) {
    return sizeof(Scratch) * static_cast<std::size_t>(static_cast<CpuBackend&>(call.backend).pool().threads());
}

}  // namespace

const KernelDef kMatmulCpu{.op = "matmul", .run = run, .scratch = scratch};

}  // namespace vitro
