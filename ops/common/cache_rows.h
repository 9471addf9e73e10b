// Rows of a KV cache read and written as vectors, whatever they are kept in (ops/common/cache.h).
#pragma once

#include "ops/common/cache.h"
#include "ops/common/convert.h"

namespace vitro::inline VITRO_ISA {

/// Where a row of T, a cache's element or block, is read: `simd::load(row + i, lanes)` has its elements from i on.
template <class T>
struct CacheRow {
    using Type = const T*;
};

/// Elements of a row of q8_0 from i on, a multiple of simd::kLanes.
struct Q8Elements {
    const Q8Block* row;
    std::int64_t i;
};
struct Q8Row {
    const Q8Block* row;
    friend Q8Elements operator+(Q8Row row, std::int64_t i) { return {row.row, i}; }
};
template <>
struct CacheRow<Q8Block> {
    using Type = Q8Row;
};

namespace simd {

static_assert(Q8Block::kElements % kLanes == 0);

/// The values of the blocks, exactly: scale times number.
[[gnu::always_inline]] inline Floats load(Q8Elements from, All = {}) {
    const auto i = static_cast<std::size_t>(from.i);
    const Q8Block& block = from.row[i / Q8Block::kElements];
    const std::int8_t* const numbers = block.numbers + i % Q8Block::kElements;
#if defined(__AVX512F__)
    const __m512i whole = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(numbers)));
    const __m512 scale = _mm512_cvtph_ps(_mm256_set1_epi16(static_cast<std::int16_t>(block.scale.bits)));
    return reinterpret_cast<Floats>(_mm512_mul_ps(_mm512_cvtepi32_ps(whole), scale));
#elif defined(__F16C__) && defined(__AVX2__)
    const __m256i whole = _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(numbers)));
    const __m256 scale = _mm256_cvtph_ps(_mm_set1_epi16(static_cast<std::int16_t>(block.scale.bits)));
    return reinterpret_cast<Floats>(_mm256_mul_ps(_mm256_cvtepi32_ps(whole), scale));
#else
    Floats out;
    for (int l = 0; l < kLanes; ++l) out[l] = numbers[l];
    return out * float(block.scale);
#endif
}
/// A row has whole blocks, so no vector of it has a ragged end.
inline Floats load(Q8Elements from, First) { return load(from); }

}  // namespace simd

/// to[0..n) = the first n elements of the row at `from`, rounded to To.
template <class T, class To>
void read_row(const T* from, To* to, std::int64_t n) {
    convert(from, to, n);
}
template <class To>
void read_row(const Q8Block* from, To* to, std::int64_t n) {
    const Q8Row row{from};
    simd::each(n, [&](std::int64_t i, auto lanes) { simd::store(to + i, simd::load(row + i, lanes), lanes); });
}

/// The row at `to` = n numbers, whole blocks, rounded once.
template <class From, class T>
void write_row(const From* from, T* to, std::int64_t n) {
    convert(from, to, n);
}
template <class From>
void write_row(const From* from, Q8Block* to, std::int64_t n) {
    if constexpr (std::is_same_v<From, float>) {
        round_to_q8_0(from, n, to);
    } else {
        constexpr std::int64_t kAtOnce = 8 * Q8Block::kElements;
        float values[kAtOnce];
        for (std::int64_t i = 0; i < n; i += kAtOnce) {
            const std::int64_t some = std::min(kAtOnce, n - i);
            convert(from + i, values, some);
            round_to_q8_0(values, some, to + i / Q8Block::kElements);
        }
    }
}

}  // namespace vitro::inline VITRO_ISA
