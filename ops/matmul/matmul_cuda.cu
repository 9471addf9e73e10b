// A product with one matrix goes the way of a linear layer; all others, which models have only before they are fused,
// go through tiles of shared memory, but for those of few rows or columns.
#include "ops/common/elements_cuda.h"
#include "ops/common/refuse_blocks.h"
#include "ops/matmul/linear_product_cuda.h"
#include "ops/matmul/matmul.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kTile = 16;

/// out[z, m, n] = sum over k of a[z, m, k] b[z, k, n], or b[z, n, k]; a thread an element, blocks of kTile² of them:
/// for each z, rows of `column_blocks`. They all lie along x, where a grid may be longest.
__global__ void matmul_kernel(Elements a, Elements b, Elements out, int m, int n, int k, std::int64_t b_stride,
                              bool transpose_b, unsigned row_blocks, unsigned column_blocks) {
    VITRO_SHARED(float, a_tile, kTile*(kTile + 1));  // [row][k]
    VITRO_SHARED(float, b_tile, kTile*(kTile + 1));  // [k][column]
    const int x = int(threadIdx.x) % kTile, y = int(threadIdx.x) / kTile;
    const unsigned block_row = blockIdx.x / column_blocks, block_column = blockIdx.x % column_blocks;
    const int row = int(block_row % row_blocks) * kTile + y, column = int(block_column) * kTile + x;
    const std::int64_t z = block_row / row_blocks, b_at = z * b_stride;
    float sum = 0.0f;
    for (int begin = 0; begin < k; begin += kTile) {
        a_tile[y * (kTile + 1) + x] = row < m && begin + x < k ? load<1>(a, (z * m + row) * k + begin + x).at[0] : 0.0f;
        if (transpose_b) {  // y is a column of out, x along k, as b's rows lie
            const int other = int(block_column) * kTile + y;
            b_tile[x * (kTile + 1) + y] =
                other < n && begin + x < k ? load<1>(b, b_at + std::int64_t(other) * k + begin + x).at[0] : 0.0f;
        } else {
            b_tile[y * (kTile + 1) + x] =
                column < n && begin + y < k ? load<1>(b, b_at + std::int64_t(begin + y) * n + column).at[0] : 0.0f;
        }
        __syncthreads();
        for (int i = 0; i < kTile; ++i) sum += a_tile[y * (kTile + 1) + i] * b_tile[i * (kTile + 1) + x];
        __syncthreads();
    }
    if (row < m && column < n) store<1>(out, (z * m + row) * n + column, {{sum}});
}

/// The same, a thread an element of all products: where tiles would mostly be idle.
__global__ void small_matmul_kernel(Elements a, Elements b, Elements out, std::int64_t elements, int m, int n, int k,
                                    std::int64_t b_stride, bool transpose_b) {
    const std::int64_t at = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (at >= elements) return;
    const std::int64_t row = at / n, column = at - row * n, b_at = row / m * b_stride;
    const std::int64_t b_first = b_at + (transpose_b ? column * k : column), b_step = transpose_b ? 1 : n;
    float sum = 0.0f;
    for (int i = 0; i < k; ++i) sum += load<1>(a, row * k + i).at[0] * load<1>(b, b_first + i * b_step).at[0];
    store<1>(out, at, {{sum}});
}

void run(const Call& call) {
    const Tensor &a = call.in(0), &b = call.in(1), &out = call.out();
    if (out.elements() == 0) return;
    const bool transpose_b = call.attributes.as<Matmul>().transpose_b, one_b = b.rank == 2;
    const int n = kernel_int(out.dim(-1)), k = kernel_int(a.dim(-1));
    if (transpose_b && one_b) {
        const std::int64_t a_sizes[] = {a.rows(), a.dim(-1)}, out_sizes[] = {out.rows(), out.dim(-1)};
        const LinearProduct product{.x = {a.dtype, a_sizes, a.data},
                                    .weight = b,
                                    .out = {out.dtype, out_sizes, out.data},
                                    .fixed_weights = call.is_fixed(1)};
        product.run(call);
        return;
    }
    const std::int64_t m = one_b ? out.rows() : a.dim(-2), batch = one_b ? 1 : a.count(0, a.rank - 2);
    const std::int64_t b_stride = one_b ? 0 : std::int64_t(n) * k;
    const unsigned row_blocks = blocks_for(m, kTile), column_blocks = blocks_for(n, kTile);
    if (2 * m * n < std::int64_t{row_blocks} * column_blocks * kTile * kTile) {
        constexpr unsigned kThreads = 128;
        return launch(small_matmul_kernel,
                      {.name = "matmul",
                       .grid = blocks_for(out.elements(), kThreads),
                       .block = kThreads,
                       .stream = stream_of(call)},
                      elements_of(a), elements_of(b), elements_of(out), out.elements(), kernel_int(m), n, k, b_stride,
                      transpose_b);
    }
    launch(matmul_kernel,
           {.name = "matmul",
            .grid = unsigned(kernel_int(batch * row_blocks * column_blocks)),
            .block = kTile * kTile,
            .stream = stream_of(call)},
           elements_of(a), elements_of(b), elements_of(out), kernel_int(m), n, k, b_stride, transpose_b, row_blocks,
           column_blocks);
}

}  // namespace

extern const KernelDef kMatmulCuda{.op = "matmul", .run = run, .refuses = refuse_blocks};

}  // namespace vitro::VITRO_DEVICE
