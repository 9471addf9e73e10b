// The largest element of a row and where it stands. Blocks share a long row: the choice of a token waits for nothing
// else.
#pragma once

#include "backends/cuda/ptx.h"
#include "ops/common/elements_cuda.h"

namespace vitro::VITRO_DEVICE {

struct Largest {
    float value;         // NaN where there is one
    std::int32_t index;  // the first of equal ones; 0 where the row is -inf throughout
};

/// Numbers that grow with x, and from there falls with the index: the larger is the larger element, of equals the
/// first. NaN is larger than all else.
__device__ __forceinline__ unsigned long long largest_key(float x, int index) {
    const unsigned bits = __float_as_uint(x + 0.0f);  // + 0: -0 is equal to 0
    const unsigned order = x != x ? 0xffffffffu : bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return static_cast<unsigned long long>(order) << 32 | (0xffffffffu - static_cast<unsigned>(index));
}

/// How blocks share rows of n elements: block (row, part) takes `each` of them.
struct LargestParts {
    unsigned long long* keys = nullptr;  // [rows, count], where count > 1
    unsigned* counters = nullptr;        // [rows], zeros, and zeros again at the end
    int count = 1, each = 0;

    LargestParts(std::int64_t rows, int n, CudaBackend& backend, std::span<std::byte> scratch = {})
        : keys(reinterpret_cast<unsigned long long*>(scratch.data())), counters(backend.counters()) {
        constexpr int kEach = 4096, kMost = 32;  // a multiple of kWide
        if (rows <= CudaBackend::kCounters) count = std::clamp((n + kEach - 1) / kEach, 1, kMost);
        each = (n / count / kWide + 1) * kWide;
        count = std::max(1, (n + each - 1) / each);
    }
    /// Of scratch, for up to so many rows.
    static std::size_t bytes(std::int64_t rows, int n, CudaBackend& backend) {
        const std::int64_t counted = std::min<std::int64_t>(rows, CudaBackend::kCounters);
        const LargestParts parts(counted, n, backend);
        return parts.count == 1 ? 0 : sizeof(*keys) * static_cast<std::size_t>(counted * parts.count);
    }
};

/// For the threads of the blocks (row, 0 … parts.count - 1) together, over x[row * n, row * n + n). True for the block
/// that ends last, which then knows the largest. `partial` is shared, [32].
__device__ inline bool largest_of_row(const Elements& x, int n, bool wide, const LargestParts& parts,
                                      unsigned long long* partial, Largest& largest) {
    VITRO_SHARED(unsigned, arrived, 1);
    const auto larger_of_warp = [](unsigned long long key) {
        for (int offset = 16; offset > 0; offset /= 2) {
            const unsigned long long other = __shfl_xor_sync(0xffffffffu, key, offset);
            key = other > key ? other : key;
        }
        return key;
    };
    const auto larger_of_block = [&](unsigned long long key) {
        key = larger_of_warp(key);
        if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = key;
        __syncthreads();
        return larger_of_warp(threadIdx.x % 32 < blockDim.x / 32 ? partial[threadIdx.x % 32] : 0ull);
    };
    const int row = int(blockIdx.x), begin = int(blockIdx.y) * parts.each;
    const std::int64_t at = std::int64_t(row) * n + begin;
    unsigned long long best = 0;
    each_in_row(min(parts.each, n - begin), wide, [&](int i, auto count) {
        const auto values = load<count.value>(x, at + i);
        for (int k = 0; k < count.value; ++k) {
            const unsigned long long key = largest_key(values.at[k], begin + i + k);
            best = key > best ? key : best;
        }
    });
    best = larger_of_block(best);
    if (parts.count > 1) {
        unsigned long long* const keys = parts.keys + std::int64_t(row) * parts.count;
        if (threadIdx.x == 0) {
            keys[blockIdx.y] = best;
            *arrived = add_acquire_release(parts.counters + row, 1u);
        }
        __syncthreads();
        if (*arrived != unsigned(parts.count - 1)) return false;
        best = larger_of_block(int(threadIdx.x) < parts.count ? keys[threadIdx.x] : 0ull);
        if (threadIdx.x == 0) parts.counters[row] = 0;
    }
    const auto order = static_cast<unsigned>(best >> 32);
    const float value = best == 0 ? -INFINITY : __uint_as_float(order & 0x80000000u ? order & 0x7fffffffu : ~order);
    largest = {value, value == -INFINITY ? 0 : std::int32_t(0xffffffffu - static_cast<unsigned>(best))};
    return true;
}

}  // namespace vitro::VITRO_DEVICE
