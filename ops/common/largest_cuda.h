// The largest element of a row and where it stands.
#pragma once

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

/// For the block's threads together, over x[row, row + n). `partial` is shared, [32].
__device__ inline Largest largest_of_row(const Elements& x, std::int64_t row, int n, bool wide,
                                         unsigned long long* partial) {
    const auto larger_of_warp = [](unsigned long long key) {
        for (int offset = 16; offset > 0; offset /= 2) {
            const unsigned long long other = __shfl_xor_sync(0xffffffffu, key, offset);
            key = other > key ? other : key;
        }
        return key;
    };
    unsigned long long best = 0;
    each_in_row(n, wide, [&](int i, auto count) {
        const auto values = load<count.value>(x, row + i);
        for (int k = 0; k < count.value; ++k) {
            const unsigned long long key = largest_key(values.at[k], i + k);
            best = key > best ? key : best;
        }
    });
    best = larger_of_warp(best);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = best;
    __syncthreads();
    best = larger_of_warp(threadIdx.x % 32 < blockDim.x / 32 ? partial[threadIdx.x % 32] : 0ull);
    const auto order = static_cast<unsigned>(best >> 32);
    const float value = best == 0 ? -INFINITY : __uint_as_float(order & 0x80000000u ? order & 0x7fffffffu : ~order);
    return {value, value == -INFINITY ? 0 : std::int32_t(0xffffffffu - static_cast<unsigned>(best))};
}

}  // namespace vitro::VITRO_DEVICE
