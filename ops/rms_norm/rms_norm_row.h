// One row of rms_norm on the CPU.
#pragma once

#include "backends/cpu/simd.h"

#include <cmath>

namespace vitro::inline VITRO_ISA {

/// out[i] = x[i] / sqrt(mean of x² + eps) * weight[i] for i in [0, n).
template <class X, class W, class Out>
void rms_norm_row(const X* x, const W* weight, Out* out, std::int64_t n, float eps) {
    simd::Floats squares{};
    simd::each(n, [&](std::int64_t i, auto lanes) {
        const simd::Floats v = simd::load(x + i, lanes);
        squares += v * v;
    });
    const float scale = 1.0f / std::sqrt(simd::sum(squares) / static_cast<float>(n) + eps);
    simd::each(n, [&](std::int64_t i, auto lanes) {
        simd::store(out + i, simd::load(x + i, lanes) * scale * simd::load(weight + i, lanes), lanes);
    });
}

}  // namespace vitro::inline VITRO_ISA
