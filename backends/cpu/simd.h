// SIMD building blocks: the machine's fp32 lanes as a GCC vector (16 with AVX-512, else eight), loads and stores of
// every storage dtype, exp and erfc. Sums and maxima go over the lanes in a fixed order, and the tail of a row takes
// the same path as its body, so a result depends on the row alone.
#pragma once

#include "backends/cpu/isa.h"
#include "base/half.h"

#include <cstdint>
#include <cstring>
#include <limits>

#if defined(__F16C__) || defined(__AVX2__)
#include <immintrin.h>
#endif

namespace vitro::inline VITRO_ISA::simd {

#ifdef __AVX512F__
inline constexpr std::int64_t kLanes = 16;
#else
inline constexpr std::int64_t kLanes = 8;
#endif

using Floats = float __attribute__((vector_size(4 * kLanes)));
using Ints = std::int32_t __attribute__((vector_size(4 * kLanes)));
using Words = std::uint32_t __attribute__((vector_size(4 * kLanes)));
using Halves = std::uint16_t __attribute__((vector_size(2 * kLanes)));

inline Floats broadcast(float value) { return value - Floats{}; }

inline Floats load(const float* p) {
    Floats out;
    std::memcpy(&out, p, sizeof out);
    return out;
}

inline Floats load(const std::int32_t* p) {
    Ints out;
    std::memcpy(&out, p, sizeof out);
    return __builtin_convertvector(out, Floats);
}

inline Floats load(const bf16* p) {
#if defined(__AVX512F__)
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return reinterpret_cast<Floats>(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
#elif defined( \
    __AVX2__)  // the compiler widens and shifts; one byte shuffle does both, and decode reads weights a third faster
    const __m256i upper_halves = _mm256_setr_epi8(-1, -1, 0, 1, -1, -1, 2, 3, -1, -1, 4, 5, -1, -1, 6, 7,  //
                                                  -1, -1, 8, 9, -1, -1, 10, 11, -1, -1, 12, 13, -1, -1, 14, 15);
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return reinterpret_cast<Floats>(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bits), upper_halves));
#else
    Halves bits;
    std::memcpy(&bits, p, sizeof bits);
    return reinterpret_cast<Floats>(__builtin_convertvector(bits, Words) << 16);
#endif
}

inline Floats load(const f16* p) {
#if defined(__AVX512F__)
    return reinterpret_cast<Floats>(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
#elif defined(__F16C__)
    return reinterpret_cast<Floats>(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#else
    Floats out;
    for (int i = 0; i < kLanes; ++i) out[i] = float(p[i]);
    return out;
#endif
}

inline Floats load(const f8e4m3* p) {
    // As the upper byte of an f16, whose exponent counts from 8 lower.
#if defined(__AVX512F__)
    const __m256i bits = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi16(0x7f));
    const __m256i is_nan = _mm256_cmpeq_epi16(magnitude, _mm256_set1_epi16(0x7f));
    const __m256i nan = _mm256_and_si256(is_nan, _mm256_set1_epi16(0x7c00));
    const __m256i sign = _mm256_and_si256(bits, _mm256_set1_epi16(-0x8000));
    const __m256i half = _mm256_or_si256(_mm256_or_si256(_mm256_slli_epi16(magnitude, 7), nan), sign);
    return reinterpret_cast<Floats>(_mm512_cvtph_ps(half)) * 256.0f;
#elif defined(__F16C__) && defined(__AVX2__)
    const __m128i bits = _mm_cvtepi8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    const __m128i magnitude = _mm_and_si128(bits, _mm_set1_epi16(0x7f));
    const __m128i nan = _mm_and_si128(_mm_cmpeq_epi16(magnitude, _mm_set1_epi16(0x7f)), _mm_set1_epi16(0x7c00));
    const __m128i sign = _mm_and_si128(bits, _mm_set1_epi16(-0x8000));
    const __m128i half = _mm_or_si128(_mm_or_si128(_mm_slli_epi16(magnitude, 7), nan), sign);
    return reinterpret_cast<Floats>(_mm256_cvtph_ps(half)) * 256.0f;
#else
    Floats out;
    for (int i = 0; i < kLanes; ++i) out[i] = float(p[i]);
    return out;
#endif
}

inline void store(float* p, Floats value) { std::memcpy(p, &value, sizeof value); }
inline void store(f8e4m3* p, Floats value) {
    for (int i = 0; i < kLanes; ++i) p[i] = f8e4m3(value[i]);
}

/// Rounds to nearest even and keeps NaN, as bf16's constructor does.
inline void store(bf16* p, Floats value) {
    const Words bits = reinterpret_cast<Words>(value);
    const Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const Words out = value == value ? rounded : (bits >> 16) | 0x40;
    const Halves halves = __builtin_convertvector(out, Halves);
    std::memcpy(static_cast<void*>(p), &halves, sizeof halves);
}

inline void store(f16* p, Floats value) {
#if defined(__AVX512F__)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtps_ph(reinterpret_cast<__m512>(value), _MM_FROUND_TO_NEAREST_INT));
#elif defined(__F16C__)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm256_cvtps_ph(reinterpret_cast<__m256>(value), _MM_FROUND_TO_NEAREST_INT));
#else
    for (int i = 0; i < kLanes; ++i) p[i] = f16(value[i]);
#endif
}

/// Which lanes a load or store touches: all, or the first `count` (< kLanes).
struct All {};
struct First {
    std::int64_t count;
};

/// Lanes that are not touched read as `rest`.
template <class T>
Floats load(const T* p, All, float = 0.0f) {
    return load(p);
}
template <class T>
Floats load(const T* p, First lanes, float rest = 0.0f) {
    T padded[kLanes];
    for (std::int64_t i = 0; i < kLanes; ++i) padded[i] = i < lanes.count ? p[i] : T(rest);
    return load(padded);
}

template <class T>
void store(T* p, Floats value, All) {
    store(p, value);
}
template <class T>
void store(T* p, Floats value, First lanes) {
    T padded[kLanes];
    store(padded, value);
    std::memcpy(static_cast<void*>(p), padded, static_cast<std::size_t>(lanes.count) * sizeof(T));
}

/// Calls body(i, lanes) for i = 0, kLanes, … below n, with lanes All or, at a ragged end, First:
/// `each(n, [&](auto i, auto lanes) { store(y + i, load(x + i, lanes) * scale, lanes); });`
template <class Body>
void each(std::int64_t n, Body&& body) {
    std::int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) body(i, All{});
    if (i < n) body(i, First{n - i});
}

/// The larger of two lanes; b where a is NaN.
inline Floats max(Floats a, Floats b) { return a > b ? a : b; }

/// Each four lanes by themselves, then the upper half of the lanes is added to the lower one, until four are left.
inline float sum(Floats v) {
    float four[kLanes / 4];
    for (int i = 0; i < kLanes / 4; ++i) four[i] = (v[4 * i] + v[4 * i + 2]) + (v[4 * i + 1] + v[4 * i + 3]);
    for (std::int64_t n = kLanes / 8; n > 0; n /= 2)
        for (std::int64_t i = 0; i < n; ++i) four[i] += four[i + n];
    return four[0];
}

inline float max(Floats v) {
    float out = v[0];
    for (int i = 1; i < kLanes; ++i) out = v[i] > out ? v[i] : out;
    return out;
}

/// e^x within 1.4 units in the last place (1.1 with fused multiply-add); denormal results within 2^-149, exactly 0
/// below -104, infinity above 88.73, NaN for NaN. x = n ln 2 + r with |r| <= ln 2 / 2, a degree-6 near-minimax
/// polynomial in r (2e-9), and 2^n in two factors so that its exponent never wraps.
inline Floats exp(Floats x) {
    const Floats low = broadcast(-104.0f), high = broadcast(89.0f);
    x = x < low ? low : x;
    x = x > high ? high : x;
    constexpr float kShift = 0x1.8p23f;  // adding it rounds to an integer, which then stands in the low bits
    const Floats shifted = x * 1.44269504f + kShift;
    const Ints n = reinterpret_cast<Ints>(shifted) - std::bit_cast<std::int32_t>(kShift);
    const Floats whole = shifted - kShift;
    const Floats r = (x - whole * 0x1.62e4p-1f) - whole * 1.42860682e-6f;
    Floats p = r * 1.39412131e-3f + 8.37521020e-3f;
    p = p * r + 4.16663516e-2f;
    p = p * r + 1.66664145e-1f;
    p = p * r + 5.00000005e-1f;
    p = p * r + 1.00000004f;
    p = p * r + 1.0f;
    const Ints half = n >> 1;
    return p * reinterpret_cast<Floats>((half + 127) << 23) * reinterpret_cast<Floats>((n - half + 127) << 23);
}

/// erfc(z) for z >= 0, relative error below 5e-7 + 5e-8 z² (the rounding of z²) up to z = 9, 0 beyond 10.2.
/// erfc(z) = t e^(-z²) P(t) with t = 1 / (1 + z/2), P a degree-8 near-minimax polynomial (4e-8).
inline Floats erfc(Floats z) {
    const Floats t = 1.0f / (1.0f + z * 0.5f);
    Floats p = t * -0.0598427028f + 0.288369804f;
    p = p * t - 0.495058245f;
    p = p * t + 0.286999542f;
    p = p * t - 0.0326891584f;
    p = p * t + 0.205189347f;
    p = p * t + 0.24249425f;
    p = p * t + 0.282454962f;
    p = p * t + 0.282082159f;
    return t * p * exp(-z * z);
}

}  // namespace vitro::inline VITRO_ISA::simd
