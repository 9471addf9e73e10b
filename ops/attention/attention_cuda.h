// What the attention kernels share: their arguments, and tiles of the paged cache in shared memory.
#pragma once

#include "backends/cuda/pairs.h"
#include "backends/cuda/ptx.h"
#include "ops/common/pages_cuda.h"

namespace vitro::VITRO_DEVICE {

/// A kernel's argument.
struct AttentionTensors {
    Elements q;                                 // [tokens, heads, d]
    Elements k_cache, v_cache;                  // [P, page, kv_heads, d]
    Elements out;                               // [tokens, heads * d]
    const std::int32_t *positions, *sequences;  // [tokens]
    const std::int32_t* lengths;                // [S]
    DevicePages pages;
    int tokens, heads, kv_heads, d;
    int window;        // 0: none
    float log2_scale;  // of the scores, which exponents of 2 follow

    /// The positions [x, y) that a token sees; y <= x: none.
    __device__ int2 visible(int token) const {
        const int position = positions[token];
        return make_int2(window == 0 ? 0 : max(0, position - window + 1), min(position + 1, lengths[sequences[token]]));
    }
};

/// Elements from one row of a tile in shared memory to the next: ldmatrix then meets no bank twice.
template <int kD>
inline constexpr int kTileRow = kD + 8;

/// Copies chunk `chunk` (8 elements) of a row of both caches; zeros unless `keep`. `row` is among the caches' rows.
template <class T, int kD>
__device__ __forceinline__ void copy_chunk(const AttentionTensors& a, int kv_head, std::int64_t row, int chunk,
                                           bool keep, T* k, T* v) {
    const std::int64_t from = (row * a.kv_heads + kv_head) * kD + chunk * 8;
    cp_async<16>(k + chunk * 8, static_cast<const T*>(a.k_cache.data) + from, keep);
    cp_async<16>(v + chunk * 8, static_cast<const T*>(a.v_cache.data) + from, keep);
}

/// scores [16 rows, 16 keys] += q · kᵀ. k: 16 rows of a tile; q(i, a) gives a of mma for columns 16 i … 16 i + 15.
template <class T, int kD, class Q>
__device__ __forceinline__ void score_keys(float (&scores)[2][4], const Q& q, const T* k) {
    const int lane = int(threadIdx.x) % 32;
    const T* row = k + (lane / 16 * 8 + lane % 8) * kTileRow<kD> + lane / 8 % 2 * 8;
#pragma unroll
    for (int i = 0; i < kD / 16; ++i) {
        std::uint32_t a[4], keys[4];
        q(i, a);
        ldmatrix(keys, row + 16 * i);
        mma_m16n8k16<T>(scores[0], a, {keys[0], keys[1]});
        mma_m16n8k16<T>(scores[1], a, {keys[2], keys[3]});
    }
}

/// sums [16 rows, kD] += weights [16 rows, 16 keys] · v.
template <class T, int kD>
__device__ __forceinline__ void add_values(float (&sums)[kD / 8][4], const std::uint32_t (&weights)[4], const T* v) {
    const int lane = int(threadIdx.x) % 32;
    const T* row = v + (lane / 8 % 2 * 8 + lane % 8) * kTileRow<kD> + lane / 16 * 8;
#pragma unroll
    for (int i = 0; i < kD / 16; ++i) {
        std::uint32_t values[4];
        ldmatrix_transposed(values, row + 16 * i);
        mma_m16n8k16<T>(sums[2 * i], weights, {values[0], values[1]});
        mma_m16n8k16<T>(sums[2 * i + 1], weights, {values[2], values[3]});
    }
}

/// Head sizes that the tensor core kernels are compiled for; calls body(std::integral_constant).
template <class Body>
bool with_head_size(int d, Body&& body) {
    switch (d) {
        case 64:
            return body(std::integral_constant<int, 64>{}), true;
        case 80:
            return body(std::integral_constant<int, 80>{}), true;
        case 96:
            return body(std::integral_constant<int, 96>{}), true;
        case 128:
            return body(std::integral_constant<int, 128>{}), true;
        case 256:
            return body(std::integral_constant<int, 256>{}), true;
        default:
            return false;
    }
}

/// Queues the kernel for steps of whole prompts. False where there is none for this head size.
bool launch_attention_prefill(const AttentionTensors& a, cudaStream_t stream);

}  // namespace vitro::VITRO_DEVICE
