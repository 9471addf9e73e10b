// Blocks of a matrix converted to fp32 and laid out in the order in which a register tile reads them.
#pragma once

#include "backends/cpu/simd_tile.h"
#include "base/checked.h"

#include <algorithm>

namespace vitro::inline VITRO_ISA {

/// Packs rows[0..n) of k elements, `stride` apart: out is [n / kPanel, block_k / 8, kPanel, 8], rows and elements
/// missing to a full panel or a full eight are zero.
template <int kPanel, class T>
void pack_rows(const T* rows, std::int64_t stride, std::int64_t n, std::int64_t k, float* out, std::int64_t block_k) {
    using simd::kLanes;
    for (std::int64_t r = 0; r < round_up<std::int64_t>(n, kPanel); ++r) {
        float* to = out + r / kPanel * kPanel * block_k + r % kPanel * kLanes;
        simd::each(k, [&](std::int64_t i, auto lanes) {
            simd::store(to + i * kPanel, r < n ? simd::load(rows + r * stride + i, lanes) : simd::Floats{});
        });
    }
}

/// Packs columns: element (r, i) lies at columns[i * stride + r]. out is as of pack_rows.
template <int kPanel, class T>
void pack_columns(const T* columns, std::int64_t stride, std::int64_t n, std::int64_t k, float* out,
                  std::int64_t block_k) {
    using simd::kLanes;
    for (std::int64_t i = 0; i < k; i += kLanes) {
        simd::each(n, [&](std::int64_t r, auto lanes) {
            simd::Floats eight[kLanes] = {};
            for (std::int64_t l = 0; l < std::min<std::int64_t>(kLanes, k - i); ++l)
                eight[l] = simd::load(columns + (i + l) * stride + r, lanes);
            simd::transpose(eight);
            for (std::int64_t l = 0; l < kLanes; ++l) {
                const std::int64_t row = r + l;
                if (row < round_up<std::int64_t>(n, kPanel))
                    simd::store(out + row / kPanel * kPanel * block_k + (i * kPanel + row % kPanel * kLanes), eight[l]);
            }
        });
    }
}

}  // namespace vitro::inline VITRO_ISA
