// Two values of a 16-bit float type in one register, the first in the lower half: what tensor cores take and give.
#pragma once

#include "backends/cuda/ptx.h"

namespace vitro::VITRO_DEVICE {

template <class T>
inline constexpr bool kIsBf16 = std::is_same_v<T, __nv_bfloat16>;

/// T is __half or __nv_bfloat16.
template <class T>
__device__ __forceinline__ float2 unpack(unsigned pair) {
    static_assert(kIsBf16<T> || std::is_same_v<T, __half>);
    if constexpr (kIsBf16<T>)
        return make_float2(__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000u));
    else
        return __half22float2(__halves2half2(__ushort_as_half(static_cast<unsigned short>(pair)),
                                             __ushort_as_half(static_cast<unsigned short>(pair >> 16))));
}

/// Rounded to nearest even.
template <class T>
__device__ __forceinline__ unsigned pack(float low, float high) {
    static_assert(kIsBf16<T> || std::is_same_v<T, __half>);
    std::conditional_t<kIsBf16<T>, __nv_bfloat162, __half2> pair;
    if constexpr (kIsBf16<T>)
        pair = __floats2bfloat162_rn(low, high);
    else
        pair = __floats2half2_rn(low, high);
    unsigned bits;
    __builtin_memcpy(&bits, &pair, sizeof bits);
    return bits;
}

/// Two f8e4m3 as two f16, which have them all.
__device__ __forceinline__ unsigned f16_of_f8e4m3(unsigned pair) {
    const __half2_raw halves = __nv_cvt_fp8x2_to_halfraw2(static_cast<__nv_fp8x2_storage_t>(pair), __NV_E4M3);
    return halves.x | static_cast<unsigned>(halves.y) << 16;
}

/// The same as T, which has them all too; of the lower half of `pair`.
template <class T>
__device__ __forceinline__ unsigned of_f8e4m3(unsigned pair) {
    const unsigned halves = f16_of_f8e4m3(pair & 0xffffu);
    if constexpr (!kIsBf16<T>) return halves;
    const float2 both = unpack<__half>(halves);
    return pack<T>(both.x, both.y);
}

/// Two floats as the sum of a pair of T and a smaller one: 16 bits of mantissa in bf16, 22 in f16, where a sum is at
/// most 131008: more would be inf, and a smaller one of -inf. An infinite one becomes NaN.
struct SplitPair {
    unsigned high, low;
};
template <class T>
__device__ __forceinline__ SplitPair split(float a, float b) {
    const auto packed = [](float low, float high) {
        if constexpr (kIsBf16<T>)
            return pack<T>(low, high);
        else
            return pack_f16_saturated(low, high);
    };
    SplitPair out;
    out.high = packed(a, b);
    const float2 rounded = unpack<T>(out.high);
    out.low = packed(a - rounded.x + (a - a), b - rounded.y + (b - b));  // a - a: NaN where a is infinite
    return out;
}

}  // namespace vitro::VITRO_DEVICE
