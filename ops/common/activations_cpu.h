// Activation functions on vectors of fp32.
#pragma once

#include "backends/cpu/simd.h"

namespace vitro::inline VITRO_ISA {

inline simd::Floats silu_lanes(simd::Floats x) { return x / (1.0f + simd::exp(-x)); }

inline simd::Floats relu_lanes(simd::Floats x) { return x < 0.0f ? simd::Floats{} : x; }

/// x · Φ(x) with Φ from erfc of |x|, which keeps its relative error in the tail where 1 + erf cancels.
inline simd::Floats gelu_erf_lanes(simd::Floats x) {
    const simd::Floats magnitude = x < 0.0f ? -x : x;
    const simd::Floats tail = 0.5f * simd::erfc(magnitude * 0.707106781f);
    return x * (x < 0.0f ? tail : 1.0f - tail);
}

/// (1 + tanh(u)) / 2 = 1 / (1 + e^-2u).
inline simd::Floats gelu_tanh_lanes(simd::Floats x) {
    const simd::Floats twice_u = 1.59576912f * (x + 0.044715f * x * x * x);
    return x / (1.0f + simd::exp(-twice_u));
}

}  // namespace vitro::inline VITRO_ISA
