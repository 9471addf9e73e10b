#include "ops/top_k/top_k.h"

#include "backends/cuda/cuda.h"
#include "ops/common/elements_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kWarps = 4;  // of a block

/// An element of a row; index -1: none.
struct Found {
    float value;
    int index;
};

/// Whether `a` stands in front of `b`, which is_larger says on the host.
__device__ bool stands_before(const Found& a, const Found& b) {
    const bool a_is_nan = a.value != a.value, b_is_nan = b.value != b.value;
    if (a_is_nan != b_is_nan) return a_is_nan;
    if (!a_is_nan && a.value != b.value) return a.value > b.value;
    return a.index < b.index;
}

/// A warp for a row: k times the largest of those behind the one found before it.
__global__ void top_k_kernel(Elements x, Elements values, std::int32_t* indices, int rows, int n, int k) {
    const int row = int(blockIdx.x) * kWarps + int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
    if (row >= rows) return;
    Found last{0.0f, -1};
    for (int j = 0; j < k; ++j) {
        Found best{0.0f, -1};
        for (int i = lane; i < n; i += 32) {
            const Found one{load<1>(x, std::int64_t(row) * n + i).at[0], i};
            if (last.index >= 0 && !stands_before(last, one)) continue;
            if (best.index < 0 || stands_before(one, best)) best = one;
        }
        for (int offset = 16; offset > 0; offset /= 2) {
            const Found other{__shfl_xor_sync(0xffffffffu, best.value, offset),
                              __shfl_xor_sync(0xffffffffu, best.index, offset)};
            if (other.index >= 0 && (best.index < 0 || stands_before(other, best))) best = other;
        }
        if (lane == 0) {
            store<1>(values, std::int64_t(row) * k + j, {best.value});
            indices[std::int64_t(row) * k + j] = best.index;
        }
        last = best;
    }
}

void run(const Call& call) {
    const Tensor &x = call.in(0), &values = call.out(0), &indices = call.out(1);
    if (values.elements() == 0) return;
    const int rows = kernel_int(x.rows());
    launch(top_k_kernel,
           {.name = "top_k", .grid = blocks_for(rows, kWarps), .block = kWarps * 32, .stream = stream_of(call)},
           elements_of(x), elements_of(values), indices.as<std::int32_t>(), rows, kernel_int(x.dim(-1)),
           kernel_int(values.dim(-1)));
}

}  // namespace

extern const KernelDef kTopKCuda{.op = "top_k", .run = run};

}  // namespace vitro::VITRO_DEVICE
