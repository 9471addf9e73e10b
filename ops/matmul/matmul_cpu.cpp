#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/simd_tile.h"
#include "ops/matmul/matmul.h"
#include "ops/matmul/matmul_pack.h"

#include <algorithm>

namespace vitro {
namespace {

// Every output element is the same sum whatever the path: lane l of eight takes k = l, l + 8, … in order, zeros fill up
// the last eight, and simd::sum adds the lanes. So one row gives the same bits as that row among many.

using simd::Floats;
using simd::kLanes;
using simd::Rows;

constexpr std::int64_t kBlockM = 132;    // rows of a, a multiple of kGroupM
constexpr std::int64_t kGroupM = 12;     // rows of a that stay in the first cache, a multiple of kPanelA
constexpr std::int64_t kBlockN = 48;     // columns of the output, a multiple of kPanelB
constexpr std::int64_t kBlockK = 256;    // a multiple of kLanes
constexpr int kPanelA = 3, kPanelB = 4;  // with one vector of b: 12 + 3 + 1 = 16 registers

/// One thread's memory for a block of each matrix: 128 KiB + 48 KiB + 198 KiB.
struct Scratch {
    alignas(64) float a[kBlockM * kBlockK];      // [kBlockM / 3, kBlockK / 8, 3, 8]
    alignas(64) float b[kBlockN * kBlockK];      // [kBlockN / 4, kBlockK / 8, 4, 8]
    alignas(64) Floats sums[kBlockM * kBlockN];  // [kBlockN / 4, kBlockM / 3, 3, 4]: lanes not yet added up
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

template <class T>
Floats load_first(const T* p, std::int64_t count) {
    return simd::load(p, simd::First{count});
}

/// out[i, j] = a_i · b_j for kA rows of a and kB rows of b, each k elements on end.
template <int kA, int kB, class A, class B>
void dot_rows(const A* a, const B* b, std::int64_t k, A* out, std::int64_t n) {
    Floats acc[kA][kB] = {};
    const std::int64_t steps = k / kLanes, whole = steps * kLanes;
    simd::multiply_tile<kA, kB>(Rows<A>{a, k, kLanes}, Rows<B>{b, k, kLanes}, steps, acc);
    if (whole < k) {
        for (int j = 0; j < kB; ++j) {
            const Floats y = load_first(b + j * k + whole, k - whole);
            for (int i = 0; i < kA; ++i)
                acc[i][j] = simd::multiply_add(load_first(a + i * k + whole, k - whole), y, acc[i][j]);
        }
    }
    for (int i = 0; i < kA; ++i)
        for (int j = 0; j < kB; ++j) out[i * n + j] = A(simd::sum(acc[i][j]));
}

/// One row of a against rows of b where they lie: reads b once, front to back.
template <class A, class B>
void multiply_row(const Call& call, const Sizes& s, ThreadPool& pool) {
    constexpr int kRows = 4;
    const std::int64_t panels = (s.n + kRows - 1) / kRows;
    const std::int64_t grain = std::max<std::int64_t>(1, 32768 / (kRows * s.k + 1));
    pool.parallel_for(s.batch * panels, grain, [&](std::int64_t begin, std::int64_t end, int) {
        std::int64_t item = begin / panels, panel = begin % panels;
        for (std::int64_t p = begin; p < end; ++p) {
            const A* a = call.in(0).as<A>() + item * s.k;
            const B* b = call.in(1).as<B>() + item * s.b_stride;
            A* out = call.out().as<A>() + item * s.n;
            std::int64_t j = panel * kRows;
            if (j + kRows <= s.n) {
                dot_rows<1, kRows>(a, b + j * s.k, s.k, out + j, s.n);
            } else {
                for (; j < s.n; ++j) dot_rows<1, 1>(a, b + j * s.k, s.k, out + j, s.n);
            }
            if (++panel == panels) panel = 0, ++item;
        }
    });
}

/// Adds a block's products to `sums`: `m` and `n` rows of packed a and b, `k` a multiple of kLanes.
void multiply_block(Scratch& scratch, std::int64_t m, std::int64_t n, std::int64_t k, bool first) {
    for (std::int64_t group = 0; group < m; group += kGroupM) {
        const std::int64_t group_end = std::min(m, group + kGroupM);
        for (std::int64_t j = 0; j < n; j += kPanelB) {
            const float* b = scratch.b + j * kBlockK;
            for (std::int64_t i = group; i < group_end; i += kPanelA) {
                Floats* sums = scratch.sums + j * kBlockM + i * kPanelB;
                Floats acc[kPanelA][kPanelB] = {};
                if (!first) std::memcpy(acc, sums, sizeof acc);
                simd::multiply_tile<kPanelA, kPanelB>(Rows<float>{scratch.a + i * kBlockK, kLanes, kPanelA * kLanes},
                                                      Rows<float>{b, kLanes, kPanelB * kLanes}, k / kLanes, acc);
                std::memcpy(sums, acc, sizeof acc);
            }
        }
    }
}

/// Adds up the lanes of a block and writes its m x n elements; `n_total` is the length of an output row.
template <class A>
void write_block(const Scratch& scratch, std::int64_t m, std::int64_t n, A* out, std::int64_t n_total) {
    for (std::int64_t i = 0; i < m; ++i) {
        const Floats* row = scratch.sums + i * kPanelB;  // i = panel * kPanelA + row in it
        for (std::int64_t j = 0; j < n; j += kPanelB) {
            const Floats* four = row + j * kBlockM;
            const simd::Floats4 sums = simd::sums(four[0], four[1], four[2], four[3]);
            for (std::int64_t l = 0; l < std::min<std::int64_t>(kPanelB, n - j); ++l)
                out[i * n_total + j + l] = A(sums[l]);
        }
    }
}

/// Blocks of a and b are converted to packed fp32 and multiplied in registers; a block of b serves kBlockM rows of a.
template <class A, class B>
void multiply_blocks(const Call& call, const Sizes& s, bool transpose_b, ThreadPool& pool) {
    auto* scratch = reinterpret_cast<Scratch*>(call.scratch.data());
    const std::int64_t blocks_n = (s.n + kBlockN - 1) / kBlockN;
    const std::int64_t blocks_m = (s.m + kBlockM - 1) / kBlockM;
    pool.parallel_for(s.batch * blocks_m * blocks_n, 1, [&](std::int64_t begin, std::int64_t end, int thread) {
        Scratch& mine = scratch[thread];
        for (std::int64_t block = begin; block < end; ++block) {
            const std::int64_t item = block / blocks_n / blocks_m;
            const std::int64_t j = block % blocks_n * kBlockN, n = std::min(kBlockN, s.n - j);
            const std::int64_t i = block / blocks_n % blocks_m * kBlockM, m = std::min(kBlockM, s.m - i);
            const A* a = call.in(0).as<A>() + (item * s.m + i) * s.k;
            const B* b = call.in(1).as<B>() + item * s.b_stride;
            std::int64_t at = 0;
            do {
                const std::int64_t k = std::min(kBlockK, s.k - at);
                pack_rows<kPanelA>(a + at, s.k, m, k, mine.a, kBlockK);
                if (transpose_b)
                    pack_rows<kPanelB>(b + j * s.k + at, s.k, n, k, mine.b, kBlockK);
                else
                    pack_columns<kPanelB>(b + at * s.n + j, s.n, n, k, mine.b, kBlockK);
                multiply_block(mine, m, n, round_up<std::int64_t>(k, kLanes), at == 0);
                at += k;
            } while (at < s.k);
            write_block(mine, m, n, call.out().as<A>() + (item * s.m + i) * s.n + j, s.n);
        }
    });
}

void run(const Call& call) {
    const Sizes s = sizes_of(call);
    const bool transpose_b = call.attributes.as<Matmul>().transpose_b;
    auto& pool = static_cast<CpuBackend&>(call.backend).pool();
    dispatch_float(call.in(0).dtype, [&]<class A>(A) {
        dispatch_float(call.in(1).dtype, [&]<class B>(B) {
            if (transpose_b && s.m == 1)
                multiply_row<A, B>(call, s, pool);
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
