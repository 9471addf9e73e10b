// The norm as a kernel of its own, for its op and for products of many rows.
#pragma once

#include "backends/cuda/reduce.h"
#include "ops/common/elements_cuda.h"

namespace vitro::VITRO_DEVICE {

/// out[row ..] = x[row ..] / rms · weight, n elements, by all threads of a block; `squares` is the sum over those
/// elements of x that each_in_row() gives this thread, `partial` 32 floats of shared memory.
__device__ __forceinline__ void store_normed(const Elements& x, const Elements& weight, const Elements& out,
                                             std::int64_t row, int n, float squares, float* partial, float eps,
                                             bool wide) {
    const float scale = 1.0f / sqrtf(reduce_block(squares, partial, Sum{}) / float(n) + eps);
    each_in_row(n, wide, [&](int i, auto count) {
        auto values = load<count.value>(x, row + i);
        const auto weights = load<count.value>(weight, i);
        for (int k = 0; k < count.value; ++k) values.at[k] *= scale * weights.at[k];
        store(out, row + i, values);
    });
}

/// out [rows, n] = rms_norm(x [rows, n], weight [n]), a block a row; out may be x. `wide` as takes_wide() has it. The
/// kernel may start before the one in front has ended.
void launch_rms_norm(const Elements& x, const Elements& weight, const Elements& out, std::int64_t rows, int n,
                     float eps, bool wide, LaunchStream stream);

}  // namespace vitro::VITRO_DEVICE
