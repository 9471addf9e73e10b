// softcap on eight lanes.
#pragma once

#include "backends/cpu/simd.h"

namespace vitro::inline VITRO_ISA {

/// cap · tanh(x / cap), by tanh(u) = 1 - 2 / (e^2u + 1), within 2^-23 · cap.
inline simd::Floats softcap_lanes(simd::Floats x, float cap) {
    return cap * (1.0f - 2.0f / (simd::exp(2.0f * (x / cap)) + 1.0f));
}

}  // namespace vitro::inline VITRO_ISA
