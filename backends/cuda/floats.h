// Elements of any float type as fp32, and back.
#pragma once

#include "backends/cuda/cuda.h"

namespace vitro::VITRO_DEVICE {

/// Any element as fp32 and back, rounded to nearest even.
__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(__half x) { return __half2float(x); }
__device__ inline float to_float(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline float to_float(__nv_fp8_e4m3 x) { return float(x); }
template <class T>
__device__ inline T from_float(float x) {
    if constexpr (std::is_same_v<T, __half>)
        return __float2half_rn(x);
    else if constexpr (std::is_same_v<T, __nv_bfloat16>)
        return __float2bfloat16_rn(x);
    else if constexpr (std::is_same_v<T, __nv_fp8_e4m3>)
        return __nv_fp8_e4m3(x);
    else
        return x;
}

}  // namespace vitro::VITRO_DEVICE
