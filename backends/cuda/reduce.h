// Sums and maxima over the threads of a warp or block.
#pragma once

#include "backends/cuda/cuda.h"

namespace vitro::VITRO_DEVICE {

struct Sum {
    __device__ float operator()(float a, float b) const { return a + b; }
    static constexpr float kIdentity = 0.0f;
};
struct Maximum {
    __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
    static constexpr float kIdentity = -INFINITY;
};

/// `op` over the warp's 32 lanes, for every lane.
template <class Op>
__device__ inline float reduce_warp(float x, Op op) {
    for (int offset = 16; offset > 0; offset /= 2) x = op(x, __shfl_xor_sync(0xffffffffu, x, offset));
    return x;
}

/// `op` over the block (whole warps), for every thread. `partial` is shared, [32]; free again after the next barrier.
template <class Op>
__device__ inline float reduce_block(float x, float* partial, Op op) {
    const unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    x = reduce_warp(x, op);
    if (lane == 0) partial[warp] = x;
    __syncthreads();
    return reduce_warp(lane < blockDim.x / 32 ? partial[lane] : Op::kIdentity, op);
}

}  // namespace vitro::VITRO_DEVICE
