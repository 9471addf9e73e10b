// Register tiles of the attention kernel. Each score and each value is summed in one order, whichever tile it is in:
// lane l takes elements l, l + kLanes, … of a product q·k in order and simd::sums adds the lanes; values are added
// key by key.
#pragma once

#include "backends/cpu/simd_tile.h"
#include "ops/common/cache_rows.h"

#include <cstdint>
#include <cstring>

namespace vitro::inline VITRO_ISA {

/// Keys whose scores stand in memory at once; also the floats from one row's scores to the next row's.
inline constexpr std::int64_t kSplitKeys = 256;
inline constexpr int kTileKeys = 4, kTileVectors = 4;
inline constexpr int kTileRows = simd::kLanes == 16 ? 4 : 3;  // 4 times as many sums, as many of q, 1 of the other side
/// Rows whose weights of kTileKeys keys stay in registers while values are added.
inline constexpr int kValueRows = simd::kLanes == 16 ? 4 : 2;

/// Calls body(i, std::integral_constant) for 0, kMost, … below n, with the number of items from i on, at most kMost.
template <int kMost, class Body>
[[gnu::always_inline]] inline void in_tiles(std::int64_t n, Body&& body) {
    std::int64_t i = 0;
    for (; i + kMost <= n; i += kMost) body(i, std::integral_constant<int, kMost>{});
    simd::unrolled<kMost>([&](auto rest) {
        if constexpr (rest > 0)
            if (n - i == rest) body(i, rest);
    });
}

/// simd::each, with what `body` refers to in registers.
template <class Body>
[[gnu::always_inline]] inline void each_vector(std::int64_t d, Body&& body) {
    std::int64_t i = 0;
    for (; i + simd::kLanes <= d; i += simd::kLanes) body(i, simd::All{});
    if (i < d) body(i, simd::First{d - i});
}

/// scores[r][j] = q_r · keys_j over d elements, for kRows rows of q, `q_row` apart, zeros from d to whole vectors.
template <int kRows, class Row>
void score_tile(const float* q, std::int64_t q_row, const Row (&keys)[kTileKeys], std::int64_t d, float* scores) {
    simd::Floats acc[kRows][kTileKeys] = {};
    each_vector(
        d, [&](std::int64_t i, auto lanes) __attribute__((always_inline)) {
            simd::Floats x[kRows];
            simd::unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
                x[r] = simd::load(q + r * q_row + i);
                simd::keep(x[r]);
            });
            simd::unrolled<kTileKeys>([&](auto j) __attribute__((always_inline)) {
                simd::Floats y = simd::load(keys[j] + i, lanes);
                simd::keep(y);
                simd::unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
                    acc[r][j] = simd::multiply_add(x[r], y, acc[r][j]);
                });
            });
        });
    for (int r = 0; r < kRows; ++r) {
        const simd::Floats4 total = simd::sums(acc[r][0], acc[r][1], acc[r][2], acc[r][3]);
        std::memcpy(scores + r * kSplitKeys, &total, sizeof total);
    }
}

/// scores[r] = q_r · keys_r over d elements, for kRows rows of q, each with a key of its own; scores stand kSplitKeys
/// apart.
template <int kRows, class Row>
void score_pairs(const float* q, std::int64_t q_row, const Row (&keys)[kRows], std::int64_t d, float* scores) {
    static_assert(kRows <= 4);
    simd::Floats acc[4] = {};
    each_vector(
        d, [&](std::int64_t i, auto lanes) __attribute__((always_inline)) {
            simd::unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
                acc[r] = simd::multiply_add(simd::load(q + r * q_row + i), simd::load(keys[r] + i, lanes), acc[r]);
            });
        });
    const simd::Floats4 total = simd::sums(acc[0], acc[1], acc[2], acc[3]);
    for (int r = 0; r < kRows; ++r) scores[r * kSplitKeys] = total[r];
}

/// out[r] = sum over `keys` keys j of weights[r][j] * values_j, kVectors vectors of it; `row` floats from one row of
/// values and of out to the next.
template <int kRows, int kVectors>
void value_tile(const float* weights, const float* values, std::int64_t row, std::int64_t keys, float* out) {
    simd::Floats acc[kRows][kVectors] = {};
    for (std::int64_t j = 0; j < keys; ++j, values += row) {
        simd::Floats w[kRows];
        simd::unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
            w[r] = simd::broadcast(weights[r * kSplitKeys + j]);
        });
        simd::unrolled<kVectors>([&](auto c) __attribute__((always_inline)) {
            simd::Floats v = simd::load(values + c * simd::kLanes);
            simd::keep(v);
            simd::unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
                acc[r][c] = simd::multiply_add(w[r], v, acc[r][c]);
            });
        });
    }
    for (int r = 0; r < kRows; ++r)
        for (int c = 0; c < kVectors; ++c) simd::store(out + r * row + c * simd::kLanes, acc[r][c]);
}

/// out[r] += sum over kTileKeys keys j of weights[r][j] * values_j, d elements of it; rows of out `out_row` apart.
template <int kRows, class Row>
void add_values(const float* weights, const Row (&values)[kTileKeys], std::int64_t d, std::int64_t out_row,
                float* out) {
    simd::Floats w[kRows][kTileKeys];
    simd::unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
        simd::unrolled<kTileKeys>([&](auto j) __attribute__((always_inline)) {
            w[r][j] = simd::broadcast(weights[r * kSplitKeys + j]);
            simd::keep(w[r][j]);
        });
    });
    each_vector(
        d, [&](std::int64_t i, auto lanes) __attribute__((always_inline)) {
            simd::Floats acc[kRows];
            simd::unrolled<kRows>([&](auto r)
                                      __attribute__((always_inline)) { acc[r] = simd::load(out + r * out_row + i); });
            simd::unrolled<kTileKeys>([&](auto j) __attribute__((always_inline)) {
                simd::Floats v = simd::load(values[j] + i, lanes);
                simd::keep(v);
                simd::unrolled<kRows>([&](auto r) __attribute__((always_inline)) {
                    acc[r] = simd::multiply_add(w[r][j], v, acc[r]);
                });
            });
            simd::unrolled<kRows>([&](auto r)
                                      __attribute__((always_inline)) { simd::store(out + r * out_row + i, acc[r]); });
        });
}

}  // namespace vitro::inline VITRO_ISA
