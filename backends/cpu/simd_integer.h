// SIMD building blocks for products of 8-bit numbers: each 32-bit lane holds four neighbours.
#pragma once

#include "backends/cpu/simd_tile.h"

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define VITRO_HAS_VNNI 1
#else
#define VITRO_HAS_VNNI 0
#endif

namespace vitro::inline VITRO_ISA::simd {

using Bytes = std::uint8_t __attribute__((vector_size(4 * kLanes)));

inline Bytes load_bytes(const void* from) {
    Bytes out;
    std::memcpy(&out, from, sizeof out);
    return out;
}

/// Of kLanes bytes each in a lane of its own.
[[gnu::always_inline]] inline Words widen_bytes(const std::uint8_t* from) {
#if defined(__AVX512F__)
    return reinterpret_cast<Words>(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
    return reinterpret_cast<Words>(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#else
    Words out;
    for (int i = 0; i < kLanes; ++i) out[i] = from[i];
    return out;
#endif
}

/// The same four bytes in each lane.
[[gnu::always_inline]] inline Bytes broadcast_bytes(const void* from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return reinterpret_cast<Bytes>(four - Ints{});
}

/// The same two numbers of 16 bits in each lane.
inline Bytes broadcast_pair(std::int16_t low, std::int16_t high) {
    return reinterpret_cast<Bytes>(
        static_cast<std::int32_t>(std::uint32_t(std::uint16_t(low)) | std::uint32_t(std::uint16_t(high)) << 16) -
        Ints{});
}

/// a0 * b0 + a1 * b1 of the two 16-bit numbers in each lane.
[[gnu::always_inline]] inline Ints multiply_pairs(Bytes a, Bytes b) {
#if defined(__AVX512BW__)
    return reinterpret_cast<Ints>(_mm512_madd_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__)
    return reinterpret_cast<Ints>(_mm256_madd_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#else
    const Ints x = reinterpret_cast<Ints>(a), y = reinterpret_cast<Ints>(b);
    return (x << 16 >> 16) * (y << 16 >> 16) + (x >> 16) * (y >> 16);
#endif
}

/// What the codes of a weight are, for DotSum.
enum class CodeKind : std::uint8_t {
    up_to_15,
    up_to_31,
    up_to_63,
    any,  // signed where there is no VNNI; with it, unsigned: 128 more
};

/// Sums of products of codes and numbers of an activation, -127 to 127. Exact: without VNNI, as many pairs of products
/// are added in 16 bits as fit there.
template <CodeKind kind>
class DotSum {
public:
    /// The steps that are added before `flush` has to be called.
    static constexpr int kSteps = VITRO_HAS_VNNI               ? 8
                                  : kind == CodeKind::any      ? 1
                                  : kind == CodeKind::up_to_63 ? 2
                                  : kind == CodeKind::up_to_31 ? 4
                                                               : 8;

    [[gnu::always_inline]] void start(Ints total) { total_ = total; }

    /// `magnitude`: magnitude_of(w). `first`: the first step since start or flush.
    [[gnu::always_inline]] void add(Bytes w, [[maybe_unused]] Bytes magnitude, Bytes x, [[maybe_unused]] bool first) {
#if defined(__AVX512VNNI__)
        total_ = reinterpret_cast<Ints>(_mm512_dpbusd_epi32(
            reinterpret_cast<__m512i>(total_), reinterpret_cast<__m512i>(w), reinterpret_cast<__m512i>(x)));
#elif defined(__AVXVNNI__)
        total_ = reinterpret_cast<Ints>(_mm256_dpbusd_avx_epi32(
            reinterpret_cast<__m256i>(total_), reinterpret_cast<__m256i>(w), reinterpret_cast<__m256i>(x)));
#elif defined(__AVX512BW__)
        const auto a = reinterpret_cast<__m512i>(magnitude);
        auto b = reinterpret_cast<__m512i>(x);
        if constexpr (kind == CodeKind::any)  // unsigned by signed is what the machine multiplies
            b = _mm512_mask_sub_epi8(b, _mm512_movepi8_mask(reinterpret_cast<__m512i>(w)), _mm512_setzero_si512(), b);
        const __m512i pairs = _mm512_maddubs_epi16(a, b);
        pairs_ = first ? pairs : _mm512_add_epi16(pairs_, pairs);
#elif defined(__AVX2__)
        const auto a = reinterpret_cast<__m256i>(magnitude);
        auto b = reinterpret_cast<__m256i>(x);
        if constexpr (kind == CodeKind::any) b = _mm256_sign_epi8(b, reinterpret_cast<__m256i>(w));
        const __m256i pairs = _mm256_maddubs_epi16(a, b);
        pairs_ = first ? pairs : _mm256_add_epi16(pairs_, pairs);
#else
        using Signed = std::int8_t __attribute__((vector_size(4 * kLanes)));
        const auto a = reinterpret_cast<Signed>(w), b = reinterpret_cast<Signed>(x);
        for (int l = 0; l < kLanes; ++l)
            for (int i = 4 * l; i < 4 * l + 4; ++i) total_[l] += a[i] * b[i];
#endif
    }

    /// The same with the four bytes at `x` in each lane: one instruction, which the compiler makes two of.
    [[gnu::always_inline]] void add_same(Bytes w, [[maybe_unused]] Bytes magnitude, const void* x,
                                         [[maybe_unused]] bool first) {
#if defined(__AVX512VNNI__)
        asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(total_) : "v"(w), "m"(*static_cast<const char(*)[4]>(x)));
#else
        add(w, magnitude, broadcast_bytes(x), first);
#endif
    }

    [[gnu::always_inline]] void flush() {
#if VITRO_HAS_VNNI
#elif defined(__AVX512BW__)
        total_ += reinterpret_cast<Ints>(_mm512_madd_epi16(pairs_, _mm512_set1_epi16(1)));
#elif defined(__AVX2__)
        total_ += reinterpret_cast<Ints>(_mm256_madd_epi16(pairs_, _mm256_set1_epi16(1)));
#endif
    }

    [[gnu::always_inline]] Ints total() const { return total_; }

    [[gnu::always_inline]] static Bytes magnitude_of(Bytes w) {
#if !VITRO_HAS_VNNI && defined(__AVX512BW__)
        if constexpr (kind == CodeKind::any)
            return reinterpret_cast<Bytes>(_mm512_abs_epi8(reinterpret_cast<__m512i>(w)));
#elif !VITRO_HAS_VNNI && defined(__AVX2__)
        if constexpr (kind == CodeKind::any)
            return reinterpret_cast<Bytes>(_mm256_abs_epi8(reinterpret_cast<__m256i>(w)));
#endif
        return w;
    }

private:
    Ints total_;
#if !VITRO_HAS_VNNI && defined(__AVX512BW__)
    __m512i pairs_;
#elif !VITRO_HAS_VNNI && defined(__AVX2__)
    __m256i pairs_;
#endif
};

}  // namespace vitro::inline VITRO_ISA::simd
