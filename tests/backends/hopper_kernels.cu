#include "tests/backends/hopper_kernels.h"

#include "backends/cuda/hopper.h"

namespace vitro::VITRO_DEVICE {

template <RingMistake kMistake>
__global__ void sum_through_ring(const float* x, float* out, int tiles) {
    float* const ring = dynamic_shared<float>();  // [kRingStages][kRingTile]
    VITRO_SHARED(MemoryBarrier, full, kRingStages);
    VITRO_SHARED(MemoryBarrier, empty, kRingStages);
    const int thread = int(threadIdx.x);
    if (thread == 0)
        for (int stage = 0; stage < kRingStages; ++stage) {
            init_barrier(full + stage, 1);
            init_barrier(empty + stage, kRingTile);
        }
    if (kMistake != RingMistake::barriers_not_ready) __syncthreads();
    constexpr unsigned kBytes = kRingTile * sizeof(float);
    const auto ask = [&](int tile) {
        const int stage = tile % kRingStages;
        if (kMistake != RingMistake::no_wait_for_empty && tile >= kRingStages)
            wait_for_phase(empty + stage, unsigned(tile / kRingStages - 1) % 2);
        arrive_expecting(full + stage, kMistake == RingMistake::expects_too_little ? kBytes / 2 : kBytes);
        copy_bulk(ring + stage * kRingTile, x + tile * kRingTile, kMistake == RingMistake::odd_size ? 8 : kBytes,
                  full + stage);
    };
    if (thread == 0)
        for (int tile = 0; tile < min(tiles, kRingStages); ++tile) ask(tile);
    // So that the copies that these do not wait for are on their way.
    if (kMistake == RingMistake::no_wait_for_full || kMistake == RingMistake::wrong_parity) __syncthreads();
    float sum = 0.0f;
    for (int tile = 0; tile < tiles; ++tile) {
        const int stage = tile % kRingStages;
        const unsigned phase = unsigned(tile / kRingStages) + (kMistake == RingMistake::wrong_parity ? 1 : 0);
        if (kMistake != RingMistake::no_wait_for_full) wait_for_phase(full + stage, phase % 2);
        sum += ring[stage * kRingTile + (thread + 1) % kRingTile];
        arrive(empty + stage);
        const int last = kMistake == RingMistake::leaves_a_copy ? tiles + 1 : tiles;
        if (thread == 0 && tile + kRingStages < last) ask(tile + kRingStages);
    }
    out[(thread + 1) % kRingTile] = sum;
}

template <class T, GroupMistake kMistake>
__global__ void multiply_by_group(const T* a, const T* b, float* c, int k) {
    VITRO_SHARED(uint4, b_tile, 16);  // [2 blocks along k][8 rows], 16 bytes each
    const int thread = int(threadIdx.x), group = thread % 32 / 4, part = thread % 4, row = thread / 32 * 16 + group;
    float sums[4] = {};
    fence_products();
    for (int at = 0; at < k; at += 16) {
        if (thread < 16) b_tile[thread] = *reinterpret_cast<const uint4*>(b + thread % 8 * k + at + thread / 8 * 8);
        if (kMistake != GroupMistake::no_proxy_fence) fence_async_proxy();
        __syncthreads();
        std::uint32_t held[4];
        for (int i = 0; i < 4; ++i)
            held[i] = *reinterpret_cast<const std::uint32_t*>(a + (row + i % 2 * 8) * k + at + i / 2 * 8 + 2 * part);
        if (kMistake == GroupMistake::no_product_fence) sums[0] *= 2.0f;
        if (kMistake != GroupMistake::no_product_fence || at == 0) fence_products();
        multiply_group<T>(sums, held, matrix_in_shared(b_tile, 128, 256));
        commit_products();
        if (kMistake == GroupMistake::writes_sums_early) sums[1] += 1.0f;
        if (kMistake == GroupMistake::overwrites_b) {
            __syncthreads();
            if (thread < 16) b_tile[thread] = uint4{};
            fence_async_proxy();
            __syncthreads();
        }
        wait_for_products<0>();
        __syncthreads();
    }
    for (int i = 0; i < 4; ++i) c[(row + i / 2 * 8) * 8 + 2 * part + i % 2] = sums[i];
}

__global__ void copies_early(const float* x, float* out) {
    float* const tile = dynamic_shared<float>();  // [kRingTile]
    VITRO_SHARED(MemoryBarrier, full, 1);
    if (threadIdx.x == 0) {
        init_barrier(full, 1);
        arrive_expecting(full, kRingTile * sizeof(float));
        copy_bulk(tile, x, kRingTile * sizeof(float), full);
    }
    __syncthreads();
    wait_for_previous_kernel();
    wait_for_phase(full, 0);
    out[threadIdx.x] = tile[threadIdx.x];
}

#define VITRO_RING(mistake) template __global__ void sum_through_ring<RingMistake::mistake>(const float*, float*, int)
VITRO_RING(none);
VITRO_RING(barriers_not_ready);
VITRO_RING(no_wait_for_full);
VITRO_RING(no_wait_for_empty);
VITRO_RING(expects_too_little);
VITRO_RING(odd_size);
VITRO_RING(leaves_a_copy);
VITRO_RING(wrong_parity);
#undef VITRO_RING

#define VITRO_GROUP(T, mistake) \
    template __global__ void multiply_by_group<T, GroupMistake::mistake>(const T*, const T*, float*, int)
VITRO_GROUP(__half, none);
VITRO_GROUP(__nv_bfloat16, none);
VITRO_GROUP(__nv_bfloat16, no_proxy_fence);
VITRO_GROUP(__nv_bfloat16, no_product_fence);
VITRO_GROUP(__nv_bfloat16, writes_sums_early);
VITRO_GROUP(__nv_bfloat16, overwrites_b);
#undef VITRO_GROUP

}  // namespace vitro::VITRO_DEVICE
