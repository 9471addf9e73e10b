// Elements whose dtype is known only when the kernel runs. A branch that all threads take alike costs less than a copy
// of the kernel for each pair of dtypes would in code and compile time, and memory is what these kernels wait for.
#pragma once

#include "ops/common/cuda_call.h"

#include <initializer_list>

namespace vitro::VITRO_DEVICE {

/// How many elements a thread handles at once where rows allow it: 16 bytes of a 16-bit type, twice 16 of f32, 8 of
/// f8e4m3.
inline constexpr int kWide = 8;

/// A tensor's memory, as a kernel's argument.
struct Elements {
    void* data;
    DType dtype;
};
inline Elements elements_of(const Tensor& tensor) { return {tensor.data, tensor.dtype}; }

/// True when each kWide elements from a multiple of kWide on begin where one access may begin, in all of these tensors.
inline bool takes_wide(std::initializer_list<const Tensor*> tensors, std::int64_t row) {
    return row % kWide == 0 && std::all_of(tensors.begin(), tensors.end(), [](const Tensor* tensor) {
               return reinterpret_cast<std::uintptr_t>(tensor->data) % 16 == 0;
           });
}

template <int kCount>
struct Floats {
    float at[kCount];
};

/// Elements [i, i + kCount) as fp32; kCount is 1, or kWide where takes_wide().
template <int kCount>
__device__ __forceinline__ Floats<kCount> load(const Elements& x, std::int64_t i) {
    Floats<kCount> out;
    if constexpr (kCount == 1) {
        if (x.dtype == DType::f32)
            out.at[0] = static_cast<const float*>(x.data)[i];
        else if (x.dtype == DType::bf16)
            out.at[0] = to_float(static_cast<const __nv_bfloat16*>(x.data)[i]);
        else if (x.dtype == DType::f16)
            out.at[0] = to_float(static_cast<const __half*>(x.data)[i]);
        else if (x.dtype == DType::f8e4m3)
            out.at[0] = to_float(static_cast<const __nv_fp8_e4m3*>(x.data)[i]);
        else
            out.at[0] = static_cast<float>(static_cast<const std::int32_t*>(x.data)[i]);
    } else {
        static_assert(kCount == kWide);
        if (x.dtype == DType::f32 || x.dtype == DType::i32) {
            const auto* from = static_cast<const uint4*>(x.data) + i / 4;
            const uint4 low = from[0], high = from[1];
            const unsigned bits[kWide] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
            for (int k = 0; k < kWide; ++k)
                out.at[k] = x.dtype == DType::f32 ? __uint_as_float(bits[k])
                                                  : static_cast<float>(static_cast<std::int32_t>(bits[k]));
        } else if (x.dtype == DType::f8e4m3) {
            const uint2 two = static_cast<const uint2*>(x.data)[i / 8];
            for (int k = 0; k < kWide; ++k) {
                __nv_fp8_e4m3 each;
                each.__x = static_cast<unsigned char>((k < 4 ? two.x : two.y) >> (8 * (k % 4)));
                out.at[k] = to_float(each);
            }
        } else {
            const uint4 four = static_cast<const uint4*>(x.data)[i / 8];
            const unsigned bits[4] = {four.x, four.y, four.z, four.w};
            for (int k = 0; k < 4; ++k) {
                const auto low = static_cast<unsigned short>(bits[k]),
                           high = static_cast<unsigned short>(bits[k] >> 16);
                const bool is_bf16 = x.dtype == DType::bf16;
                out.at[2 * k] = is_bf16 ? to_float(__ushort_as_bfloat16(low)) : to_float(__ushort_as_half(low));
                out.at[2 * k + 1] = is_bf16 ? to_float(__ushort_as_bfloat16(high)) : to_float(__ushort_as_half(high));
            }
        }
    }
    return out;
}

/// Two values in the 16-bit type, the first in the lower half.
__device__ __forceinline__ unsigned pack_halves(DType dtype, float low, float high) {
    if (dtype == DType::bf16)
        return __bfloat16_as_ushort(__float2bfloat16_rn(low)) |
               static_cast<unsigned>(__bfloat16_as_ushort(__float2bfloat16_rn(high))) << 16;
    return __half_as_ushort(__float2half_rn(low)) | static_cast<unsigned>(__half_as_ushort(__float2half_rn(high)))
                                                        << 16;
}

/// Elements [i, i + kCount) of a float or f8e4m3 tensor, rounded to nearest even.
template <int kCount>
__device__ __forceinline__ void store(const Elements& x, std::int64_t i, const Floats<kCount>& values) {
    if constexpr (kCount == 1) {
        if (x.dtype == DType::f32)
            static_cast<float*>(x.data)[i] = values.at[0];
        else if (x.dtype == DType::bf16)
            static_cast<__nv_bfloat16*>(x.data)[i] = __float2bfloat16_rn(values.at[0]);
        else if (x.dtype == DType::f16)
            static_cast<__half*>(x.data)[i] = __float2half_rn(values.at[0]);
        else
            static_cast<__nv_fp8_e4m3*>(x.data)[i] = __nv_fp8_e4m3(values.at[0]);
    } else if (x.dtype == DType::f32) {
        auto* to = static_cast<float4*>(x.data) + i / 4;
        to[0] = make_float4(values.at[0], values.at[1], values.at[2], values.at[3]);
        to[1] = make_float4(values.at[4], values.at[5], values.at[6], values.at[7]);
    } else if (x.dtype == DType::f8e4m3) {
        unsigned bits[2] = {};
        for (int k = 0; k < kWide; ++k)
            bits[k / 4] |= static_cast<unsigned>(__nv_fp8_e4m3(values.at[k]).__x) << (8 * (k % 4));
        static_cast<uint2*>(x.data)[i / 8] = make_uint2(bits[0], bits[1]);
    } else {
        unsigned bits[4];
        for (int k = 0; k < 4; ++k) bits[k] = pack_halves(x.dtype, values.at[2 * k], values.at[2 * k + 1]);
        static_cast<uint4*>(x.data)[i / 8] = make_uint4(bits[0], bits[1], bits[2], bits[3]);
    }
}

template <int kCount>
struct Count {
    static constexpr int value = kCount;
};

/// The block's threads share a row of n elements: calls body(i, count) for every group of `count.value` elements.
template <class Body>
__device__ __forceinline__ void each_in_row(int n, bool wide, Body&& body) {
    if (wide)
        for (int i = int(threadIdx.x) * kWide; i < n; i += int(blockDim.x) * kWide) body(i, Count<kWide>{});
    else
        for (int i = int(threadIdx.x); i < n; i += int(blockDim.x)) body(i, Count<1>{});
}

/// Threads of a block for each_in_row: whole warps, with more than one group each only where the row is long.
inline unsigned row_threads(std::int64_t n, bool wide, std::int64_t most = 512) {
    const std::int64_t groups = wide ? n / kWide : n;
    return unsigned(std::clamp<std::int64_t>((groups + 31) / 32 * 32, 32, most));
}

/// A size as 32 bits, in which kernels count; Error when it does not fit.
inline int kernel_int(std::int64_t size) {
    if (size < 0 || size >= std::int64_t{1} << 31) fail("expected sizes below 2^31 for a kernel, found {}", size);
    return static_cast<int>(size);
}

/// Blocks of `threads` threads for `count` threads.
inline unsigned blocks_for(std::int64_t count, unsigned threads) {
    return unsigned(kernel_int((count + threads - 1) / threads));
}

}  // namespace vitro::VITRO_DEVICE
