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

template <class T, int kColumns, Swizzle kSwizzle, bool kColumnByColumn, GroupMistake kMistake>
__global__ void multiply_by_group(const T* a, const T* b, float* c, int k) {
    constexpr int kRow = int(row_bytes(kSwizzle)), kChunks = kRow / 16;  // of a row
    constexpr int kRows = kColumnByColumn ? kGroupDepth : kColumns,
                  kAlong = kColumnByColumn ? kColumns : kGroupDepth;  // chunks of each row in shared memory
    std::byte* const start = aligned_in_shared(dynamic_shared<std::byte>(), 8 * kRow);
    std::byte* const tile = start + (kMistake == GroupMistake::not_aligned ? kRow : 0);
    const int thread = int(threadIdx.x), group = thread % 32 / 4, part = thread % 4, row = thread / 32 * 16 + group;
    float sums[kColumns / 2];
    fence_products();
    for (int at = 0; at < k; at += kGroupDepth) {
        for (int i = thread; i < kRows * kAlong / 8; i += int(blockDim.x)) {
            const int r = i / (kAlong / 8), chunk = i % (kAlong / 8);
            const T* const from = kColumnByColumn ? b + (at + r) * kColumns + 8 * chunk : b + r * k + at + 8 * chunk;
            std::byte* const to = tile + chunk / kChunks * kRows * kRow;
            const int place = kMistake == GroupMistake::not_swizzled ? r * kRow + chunk % kChunks * 16
                                                                     : place_of_chunk<kSwizzle>(r, chunk % kChunks);
            *reinterpret_cast<uint4*>(to + place) = *reinterpret_cast<const uint4*>(from);
        }
        if (kMistake != GroupMistake::no_proxy_fence) fence_async_proxy();
        __syncthreads();
        std::uint32_t held[kGroupDepth / 16][4];
        for (int i = 0; i < kGroupDepth / 4; ++i)
            held[i / 4][i % 4] = *reinterpret_cast<const std::uint32_t*>(a + (row + i % 2 * 8) * k + at + i / 4 * 16 +
                                                                         i / 2 % 2 * 8 + 2 * part);
        if (kMistake == GroupMistake::no_product_fence && at > 0) sums[0] *= 2.0f;
        if (kMistake != GroupMistake::no_product_fence || at == 0) fence_products();
#pragma unroll
        for (int i = 0; i < kGroupDepth / 16; ++i) {
            const int chunk = 2 * i;  // the first one of 16 of k, where rows are of k
            const std::byte* const from =
                kColumnByColumn ? tile + 16 * i * kRow : tile + chunk / kChunks * kRows * kRow + chunk % kChunks * 16;
            multiply_group<T, kColumnByColumn>(sums, held[i], matrix_in_shared(from, kRows * kRow, 8 * kRow, kSwizzle),
                                               at > 0 || i > 0);
        }
        commit_products();
        if (kMistake == GroupMistake::writes_sums_early) sums[1] = 1.0f;
        if (kMistake == GroupMistake::writes_rows_early) held[0][1] = 0;
        if (kMistake == GroupMistake::overwrites_b) {
            __syncthreads();
            if (thread < 64) reinterpret_cast<uint4*>(tile)[thread] = uint4{};
            fence_async_proxy();
            __syncthreads();
        }
        if (kMistake != GroupMistake::leaves_a_product) wait_for_products<0>();
        __syncthreads();
    }
    for (int i = 0; i < kColumns / 2; ++i) c[(row + i / 2 % 2 * 8) * kColumns + i / 4 * 8 + 2 * part + i % 2] = sums[i];
}

template <RegisterMistake kMistake>
__global__ void __launch_bounds__(384, 1) share_registers() {
    if (threadIdx.x < 128) {
        if (kMistake != RegisterMistake::keeps_all) keep_registers<40>();
    } else if (kMistake != RegisterMistake::one_warp || threadIdx.x < 160) {
        if (kMistake == RegisterMistake::takes_few)
            take_registers<128>();
        else
            take_registers<232>();
    }
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

#define VITRO_GROUP(T, columns, rows, column_by_column, mistake)                                                    \
    template __global__ void multiply_by_group<T, columns, Swizzle::rows, column_by_column, GroupMistake::mistake>( \
        const T*, const T*, float*, int)
VITRO_GROUP(__half, 128, rows_of_128, false, none);
VITRO_GROUP(__half, 64, rows_of_128, true, none);
VITRO_GROUP(__nv_bfloat16, 128, rows_of_64, false, none);
VITRO_GROUP(__nv_bfloat16, 96, rows_of_64, true, none);
VITRO_GROUP(__nv_bfloat16, 128, rows_of_128, true, none);
VITRO_GROUP(__nv_bfloat16, 64, rows_of_128, false, no_proxy_fence);
VITRO_GROUP(__nv_bfloat16, 64, rows_of_128, false, no_product_fence);
VITRO_GROUP(__nv_bfloat16, 64, rows_of_128, false, writes_sums_early);
VITRO_GROUP(__nv_bfloat16, 64, rows_of_128, false, writes_rows_early);
VITRO_GROUP(__nv_bfloat16, 64, rows_of_128, false, overwrites_b);
VITRO_GROUP(__nv_bfloat16, 64, rows_of_128, false, leaves_a_product);
VITRO_GROUP(__nv_bfloat16, 64, rows_of_128, false, not_swizzled);
VITRO_GROUP(__nv_bfloat16, 64, rows_of_128, true, not_swizzled);
VITRO_GROUP(__nv_bfloat16, 64, rows_of_128, false, not_aligned);
VITRO_GROUP(__nv_bfloat16, 64, rows_of_128, true, not_aligned);
VITRO_GROUP(__nv_bfloat16, 64, rows_of_128, false, none);
#undef VITRO_GROUP

template __global__ void share_registers<RegisterMistake::none>();
template __global__ void share_registers<RegisterMistake::keeps_all>();
template __global__ void share_registers<RegisterMistake::one_warp>();
template __global__ void share_registers<RegisterMistake::takes_few>();

}  // namespace vitro::VITRO_DEVICE
