// Kernels for emulation_test.cpp: some right, most with one planted mistake. nvcc compiles the same file.
#include "tests/backends/emulation_kernels.h"

#include "backends/cuda/ptx.h"

namespace vitro::VITRO_DEVICE {
namespace {

__device__ float warp_sum(float x) {
    for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(0xffffffffu, x, offset);
    return x;
}

// The sum over the block, for every thread. `partial` has 32 elements.
__device__ float sum_of_block(float x, float* partial) {
    const unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    x = warp_sum(x);
    if (lane == 0) partial[warp] = x;
    __syncthreads();
    if (warp == 0) {
        x = warp_sum(lane < blockDim.x / 32 ? partial[lane] : 0.0f);
        if (lane == 0) partial[0] = x;
    }
    __syncthreads();
    return partial[0];
}

}  // namespace

__global__ void copy_elements(const float* x, float* out, int n) {
    const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) out[i] = x[i];
}

template <class T>
__global__ void rms_norm(const T* x, const T* weight, T* out, int width, float eps) {
    VITRO_SHARED(float, partial, 32);
    const T* row = x + std::size_t(blockIdx.x) * width;
    float sum = 0.0f;
    for (int i = int(threadIdx.x); i < width; i += int(blockDim.x)) {
        const float value = static_cast<float>(row[i]);
        sum += value * value;
    }
    const float scale = rsqrtf(sum_of_block(sum, partial) / float(width) + eps);
    for (int i = int(threadIdx.x); i < width; i += int(blockDim.x))
        out[std::size_t(blockIdx.x) * width + i] =
            T(static_cast<float>(row[i]) * scale * static_cast<float>(weight[i]));
}
template __global__ void rms_norm<float>(const float*, const float*, float*, int, float);
template __global__ void rms_norm<__half>(const __half*, const __half*, __half*, int, float);
template __global__ void rms_norm<__nv_bfloat16>(const __nv_bfloat16*, const __nv_bfloat16*, __nv_bfloat16*, int,
                                                 float);

// Loops and copies that a compiler likes to turn into calls of memset and memcpy.
__global__ void fill_and_copy(const float* x, float* out) {
    float* zeros = dynamic_shared<float>();
    float* copies = dynamic_shared<float>(blockDim.x * 8 * sizeof(float));
    const unsigned mine = threadIdx.x * 8, other = (blockDim.x - 1 - threadIdx.x) * 8;
    for (int i = 0; i < 8; ++i) zeros[mine + i] = 0.0f;
    memcpy(copies + mine, x + mine, 8 * sizeof(float));
    __syncthreads();
    for (int i = 0; i < 8; ++i) out[other + i] = copies[other + i] + zeros[other + i];
}

__global__ void count_votes(int* out) {
    const int i = int(threadIdx.x);
    const unsigned ballot = __ballot_sync(0xffffffffu, i % 3 == 0);
    const int any = __any_sync(0xffffffffu, i == 40), all = __all_sync(0xffffffffu, i < 40);
    const int sum = __reduce_add_sync(0xffffffffu, i), largest = __reduce_max_sync(0xffffffffu, i);
    const unsigned bits = __reduce_or_sync(0xffffffffu, 1u << (i % 7));
    const int count = __syncthreads_count(i < 10);
    const int both = __syncthreads_and(i >= 0) * 2 + __syncthreads_or(i == 63);
    if (i == 32) {
        out[0] = int(ballot);
        out[1] = any;
        out[2] = all;
        out[3] = sum;
        out[4] = largest;
        out[5] = int(bits);
        out[6] = count;
        out[7] = both;
    }
}

__global__ void shuffle_kinds(int* out) {
    const int lane = int(threadIdx.x);
    out[lane] = __shfl_sync(0xffffffffu, lane, 5, 8);
    out[32 + lane] = __shfl_up_sync(0xffffffffu, lane, 3, 16);
    out[64 + lane] = __shfl_down_sync(0xffffffffu, lane, 3, 16);
    out[96 + lane] = int(__shfl_xor_sync(0xffffffffu, (long long)lane << 40, 9) >> 40);
    // Two halves of the warp, each on its own.
    const unsigned mask = lane < 16 ? 0xffffu : 0xffff0000u;
    out[128 + lane] = __shfl_sync(mask, lane, lane < 16 ? 2 : 20);
}

__global__ void histogram(const int* x, int n, int* bins, float* sum, int* largest) {
    VITRO_SHARED(int, counts, 8);
    if (threadIdx.x < 8) counts[threadIdx.x] = 0;
    __syncthreads();
    const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) {
        atomicAdd(&counts[x[i] % 8], 1);
        atomicAdd(sum, float(x[i]));
        atomicMax(largest, x[i]);
    }
    __syncthreads();
    if (threadIdx.x < 8) atomicAdd(&bins[threadIdx.x], counts[threadIdx.x]);
}

// One warp a tile of 16 x 8; a and b go through shared memory, with rows of 16 values and 8 of padding.
template <class T>
__global__ void matmul_mma(const T* a, const T* b, float* c, int m, int n, int k) {
    constexpr int kStride = 24;
    VITRO_SHARED(T, a_tile, 16 * kStride);
    VITRO_SHARED(T, b_tile, 8 * kStride);
    const int lane = int(threadIdx.x), row = int(blockIdx.y) * 16, column = int(blockIdx.x) * 8;
    float d[4] = {};
    for (int begin = 0; begin < k; begin += 16) {
        const int r = lane / 2, half = lane % 2 * 8;
        cp_async<16>(&a_tile[r * kStride + half], a + (row + r) * k + begin + half, row + r < m);
        if (lane < 16) cp_async<16>(&b_tile[r * kStride + half], b + (column + r) * k + begin + half, column + r < n);
        cp_async_commit();
        cp_async_wait<0>();
        __syncwarp();
        std::uint32_t a_words[4], b_words[2];
        ldmatrix(a_words, &a_tile[(lane % 16) * kStride + lane / 16 * 8]);
        ldmatrix(b_words, &b_tile[(lane % 8) * kStride + lane / 8 % 2 * 8]);
        mma_m16n8k16<T>(d, a_words, b_words);
        __syncwarp();
    }
    for (int i = 0; i < 4; ++i) {
        const int r = row + lane / 4 + i / 2 * 8, col = column + lane % 4 * 2 + i % 2;
        if (r < m && col < n) c[r * n + col] = d[i];
    }
}
template __global__ void matmul_mma<__half>(const __half*, const __half*, float*, int, int, int);
template __global__ void matmul_mma<__nv_bfloat16>(const __nv_bfloat16*, const __nv_bfloat16*, float*, int, int, int);

__global__ void matmul_tf32(const float* a, const float* b, float* c, int k) {
    const int g = int(threadIdx.x) / 4, t = int(threadIdx.x) % 4;
    float d[4] = {};
    for (int begin = 0; begin < k; begin += 8) {
        const std::uint32_t a_words[4] = {
            round_to_tf32(a[g * k + begin + t]), round_to_tf32(a[(g + 8) * k + begin + t]),
            round_to_tf32(a[g * k + begin + t + 4]), round_to_tf32(a[(g + 8) * k + begin + t + 4])};
        const std::uint32_t b_words[2] = {round_to_tf32(b[g * k + begin + t]), round_to_tf32(b[g * k + begin + t + 4])};
        mma_m16n8k8_tf32(d, a_words, b_words);
    }
    for (int i = 0; i < 4; ++i) c[(g + i / 2 * 8) * 8 + t * 2 + i % 2] = d[i];
}

__global__ void load_matrices(const unsigned short* x, unsigned* out) {
    VITRO_SHARED(unsigned short, tile, 32 * 8);
    const int lane = int(threadIdx.x);
    for (int i = lane; i < 32 * 8; i += 32) tile[i] = x[i];
    __syncthreads();
    std::uint32_t plain[4], transposed[4];
    ldmatrix(plain, &tile[lane * 8]);
    ldmatrix_transposed(transposed, &tile[lane * 8]);
    for (int i = 0; i < 4; ++i) {
        out[lane * 4 + i] = plain[i];
        out[128 + lane * 4 + i] = transposed[i];
    }
}

// Two stages: while one is read, the next is on its way.
__global__ void copy_through_shared(const float* x, float* out, int n) {
    float* stages = dynamic_shared<float>();
    const int width = int(blockDim.x) * 4, mine = int(threadIdx.x) * 4, other = width - 4 - mine;
    const int steps = (n + width - 1) / width;
    cp_async<16>(stages + mine, x + mine, mine < n);
    cp_async_commit();
    for (int step = 0; step < steps; ++step) {
        const int next = (step + 1) * width + mine;
        if (step + 1 < steps) cp_async<16>(stages + (step + 1) % 2 * width + mine, x + next, next < n);
        cp_async_commit();
        cp_async_wait<1>();
        __syncthreads();
        // Another thread's part, so that the barrier matters.
        for (int i = 0; i < 4; ++i)
            if (step * width + other + i < n) out[step * width + other + i] = stages[step % 2 * width + other + i];
        __syncthreads();
    }
}

__global__ void pass_along(float* data, int rounds) {
    VITRO_SHARED(float, slot, 32);
    constexpr unsigned kFull = 1, kEmpty = 2;
    const unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    for (int round = 0; round < rounds; ++round) {
        if (warp == 0) {
            if (round > 0) named_barrier_sync(kEmpty, blockDim.x);
            slot[lane] = float(round * 32 + int(lane));
            named_barrier_arrive(kFull, blockDim.x);
        } else {
            named_barrier_sync(kFull, blockDim.x);
            data[(unsigned(round) * (blockDim.x / 32 - 1) + warp - 1) * 32 + lane] = slot[31 - lane];
            if (round + 1 < rounds) named_barrier_arrive(kEmpty, blockDim.x);
        }
    }
}

__global__ void sum_of_grid(const float* x, float* out, int n) {
    VITRO_SHARED(float, partial, 32);
    if (blockIdx.x == 0 && threadIdx.x == 0) *out = 0.0f;
    sync_grid();
    float sum = 0.0f;
    for (int i = int(blockIdx.x * blockDim.x + threadIdx.x); i < n; i += int(gridDim.x * blockDim.x)) sum += x[i];
    sum = sum_of_block(sum, partial);
    if (threadIdx.x == 0) atomicAdd(out, sum);
    sync_grid();
    if (blockIdx.x == gridDim.x - 1 && threadIdx.x == 0) *out *= 2.0f;
}

// Each block leaves its sum; whichever comes last adds them up.
__global__ void last_block_sums(const float* x, float* partial, unsigned* arrived, float* out) {
    VITRO_SHARED(float, scratch, 32);
    VITRO_SHARED(unsigned, last, 1);
    const float sum = sum_of_block(x[blockIdx.x * blockDim.x + threadIdx.x], scratch);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = sum;
        __threadfence();
        *last = atomicInc(arrived, gridDim.x - 1) == gridDim.x - 1;
    }
    __syncthreads();
    if (*last == 0) return;
    if (threadIdx.x == 0) {
        float total = 0.0f;
        for (unsigned i = 0; i < gridDim.x; ++i) total += partial[i];
        *out = total;
    }
}

__global__ void add_one(float* x, int n) {
    const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) x[i] += 1.0f;
}

__global__ void double_after_wait(const float* x, float* out, int n) {
    const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
    wait_for_previous_kernel();
    allow_next_kernel();
    if (i < n) out[i] = 2.0f * x[i];
}

__global__ void convert_types(const float* x, unsigned short* half, unsigned short* bfloat, unsigned char* fp8, int n) {
    for (int i = int(blockIdx.x * blockDim.x + threadIdx.x); i < n; i += int(gridDim.x * blockDim.x)) {
        half[i] = __half_as_ushort(__float2half_rn(x[i]));
        bfloat[i] = __bfloat16_as_ushort(__float2bfloat16_rn(x[i]));
        fp8[i] = __nv_fp8_e4m3(x[i]).__x;
    }
}

__global__ void set_flag(unsigned* flag, float* data) {
    if (blockIdx.x == 1) {
        if (threadIdx.x == 0) {
            *data = 42.0f;
            store_release(flag, 1);
        }
    } else {
        while (load_acquire(flag) == 0) {
        }
        if (threadIdx.x == 0) *data += 1.0f;
    }
}

// --- mistakes
// -----------------------------------------------------------------------------------------------------------

__global__ void writes_past_the_end(float* x, int n) {
    const int i = int(threadIdx.x);
    if (i <= n) x[i] = 1.0f;
}

__global__ void prefetches_past_the_end(const float* x) { prefetch_l2(x + threadIdx.x); }

__global__ void reads_misaligned(const float* x, float* out) {
    const auto pair = *reinterpret_cast<const double*>(x + 1);
    *out = float(pair);
}

__global__ void shared_past_the_end(float* out) {
    VITRO_SHARED(float, few, 32);
    VITRO_SHARED(float, others, 32);
    const unsigned i = threadIdx.x;
    others[i % 32] = 0.0f;
    few[i + 1] = 1.0f;
    out[i] = others[i] + few[i + 1];
}

__global__ void dynamic_past_the_end(float* out, int n) {
    float* values = dynamic_shared<float>();
    for (int i = int(threadIdx.x); i <= n; i += int(blockDim.x)) values[i] = 1.0f;
    __syncthreads();
    if (threadIdx.x == 0) *out = values[0];
}

__global__ void half_the_block_waits() {
    if (threadIdx.x < 32) __syncthreads();
    __syncwarp();
}

__global__ void waits_at_two_places() {
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
}

__global__ void ends_before_the_barrier() {
    if (threadIdx.x == 7) return;
    __syncthreads();
}

__global__ void lane_misses_the_shuffle(int* out) {
    const int lane = int(threadIdx.x);
    if (lane != 5) out[lane] = __shfl_xor_sync(0xffffffffu, lane, 1);
}

__global__ void lanes_disagree_on_the_mask(int* out) {
    const int lane = int(threadIdx.x);
    const unsigned mask = lane == 9 ? 0x0000ffffu : 0xffffffffu;
    out[lane] = __shfl_sync(mask, lane, 0);
}

__global__ void lanes_disagree_on_the_operation(int* out) {
    const int lane = int(threadIdx.x);
    if (lane % 2 == 0)
        out[lane] = __shfl_sync(0xffffffffu, lane, 0);
    else
        out[lane] = int(__ballot_sync(0xffffffffu, 1));
}

__global__ void shuffles_from_outside_the_mask(int* out) {
    const int lane = int(threadIdx.x);
    if (lane < 8) out[lane] = __shfl_sync(0xffu, lane, 12);
}

__global__ void reads_unwritten(float* out) {
    VITRO_SHARED(float, values, 32);
    if (threadIdx.x < 31) values[threadIdx.x] = 1.0f;
    __syncthreads();
    out[threadIdx.x] = values[threadIdx.x];
}

__global__ void reads_what_another_wrote(float* out) {
    VITRO_SHARED(float, values, 64);
    values[threadIdx.x] = 1.0f;
    __syncthreads();
    values[threadIdx.x] = 2.0f;
    out[threadIdx.x] = values[63 - threadIdx.x];
}

__global__ void overwrites_what_another_reads(float* out) {
    VITRO_SHARED(float, values, 64);
    values[threadIdx.x] = 1.0f;
    __syncthreads();
    out[threadIdx.x] = values[63 - threadIdx.x];
    values[threadIdx.x] = 2.0f;
}

__global__ void barrier_of_the_wrong_warps(float* out) {
    VITRO_SHARED(float, values, 32);
    const unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    if (warp == 0) values[lane] = 1.0f;
    if (warp < 2) named_barrier_sync(1, 64);
    if (warp == 1) out[lane] = values[lane];
    if (warp == 2) out[32 + lane] = values[lane];
}

__global__ void reads_without_sync_warp(float* out) {
    VITRO_SHARED(float, values, 32);
    const unsigned lane = threadIdx.x;
    values[lane] = 1.0f;
    __syncwarp();
    out[lane] = values[31 - lane];
    __syncwarp();
    values[lane] = 2.0f;
    out[lane] += values[31 - lane];
}

__global__ void misses_copy_wait(const float* x, float* out) {
    VITRO_SHARED(float, values, 128);
    cp_async<16>(&values[threadIdx.x * 4], x + threadIdx.x * 4);
    cp_async_commit();
    __syncthreads();
    out[threadIdx.x] = values[threadIdx.x];
}

// The wait lets one group too many be under way; only the second round shows it, in memory written before.
__global__ void misses_copy_wait_once(const float* x, float* out, int rounds) {
    VITRO_SHARED(float, values, 128);
    for (int round = 0; round < rounds; ++round) {
        cp_async<16>(&values[threadIdx.x * 4], x + threadIdx.x * 4);
        cp_async_commit();
        if (round == 0)
            cp_async_wait<0>();
        else
            cp_async_wait<1>();
        __syncthreads();
        out[threadIdx.x] = values[threadIdx.x];
        __syncthreads();
    }
}

__global__ void misses_barrier_after_copy(const float* x, float* out) {
    VITRO_SHARED(float, values, 128);
    for (unsigned i = threadIdx.x; i < 128; i += 32) values[i] = 0.0f;
    __syncthreads();
    cp_async<16>(&values[threadIdx.x * 4], x + threadIdx.x * 4);
    cp_async_commit();
    cp_async_wait<0>();
    out[threadIdx.x] = values[127 - threadIdx.x];
}

__global__ void reads_before_wait(const float* x, float* out, int n) {
    const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
    const float early = i < n ? x[i] : 0.0f;
    wait_for_previous_kernel();
    if (i < n) out[i] = 2.0f * early;
}

__global__ void never_waits(const float* x, float* out, int n) {
    const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
    if (i < n) out[i] = 2.0f * x[i];
}

__global__ void waits_for_nobody(unsigned* flag) {
    while (load_acquire(flag) == 0) {
    }
}

__global__ void some_blocks_skip_the_grid_barrier() {
    if (blockIdx.x != 1) sync_grid();
}

}  // namespace vitro::VITRO_DEVICE
