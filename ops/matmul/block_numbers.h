// Block-quantized weights as a product wants them: 32 numbers of 8 bits at a time, and what they stand for. What the
// bytes of each type mean is said in base/blocks.cpp; here the same is done on vectors.
#pragma once

#include "backends/cpu/isa.h"
#include "base/dtype.h"
#include "base/half.h"

#include <bit>
#include <cstdint>
#include <cstring>

#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace vitro::inline VITRO_ISA {

using Numbers32 = std::int8_t __attribute__((vector_size(32)));
using Codes16 = std::uint8_t __attribute__((vector_size(16)));
using Codes32 = std::uint8_t __attribute__((vector_size(32)));

/// Element i is scale[i / 16] * number[i] + offset[i / 16].
struct Numbers {
    Numbers32 number;
    float scale[2];
    float offset[2];  // only of types that have one
};

inline Codes16 load16(const std::uint8_t* from) {
    Codes16 out;
    std::memcpy(&out, from, sizeof out);
    return out;
}
inline Codes32 load32(const std::uint8_t* from) {
    Codes32 out;
    std::memcpy(&out, from, sizeof out);
    return out;
}
inline float load_half(const std::uint8_t* from) {
    f16 out;
    std::memcpy(&out.bits, from, sizeof out.bits);
    return float(out);
}

/// The lower halves of 16 bytes, then the upper ones.
inline Codes32 nibbles(const std::uint8_t* from) {
    const Codes16 both = load16(from), low = both & 15, high = both >> 4;
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
                                   21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
}

/// Element i: bit i of four bytes, 0 or 1.
inline Codes32 bits32(const std::uint8_t* from) {
#ifdef __AVX2__
    std::int32_t all;
    std::memcpy(&all, from, sizeof all);
    const __m256i byte_of = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
    const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32(all), byte_of);
    return reinterpret_cast<Codes32>(_mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit)) & 1;
#else
    Codes32 out;
    for (int i = 0; i < 32; ++i) out[i] = from[i / 8] >> (i % 8) & 1;
    return out;
#endif
}

/// table[codes[i]]; codes below 16.
inline Numbers32 look_up(const std::int8_t (&table)[16], Codes32 codes) {
#ifdef __AVX2__
    const __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
    return reinterpret_cast<Numbers32>(_mm256_shuffle_epi8(both, reinterpret_cast<__m256i>(codes)));
#else
    Numbers32 out;
    for (int i = 0; i < 32; ++i) out[i] = table[codes[i]];
    return out;
#endif
}

inline Numbers32 less(Codes32 codes, int offset) {
    return reinterpret_cast<Numbers32>(codes - static_cast<std::uint8_t>(offset));
}

/// A block of a type. Block<T>::kHasOffset; Block<T>(bytes).part(i): elements 32 i to 32 i + 31.
template <DType dtype>
class Block;

template <>
class Block<DType::q8_0> {
public:
    static constexpr bool kHasOffset = false;
    explicit Block(const std::uint8_t* bytes) : bytes_(bytes) {}
    Numbers part(int) const {
        const float d = load_half(bytes_);
        return {reinterpret_cast<Numbers32>(load32(bytes_ + 2)), {d, d}, {}};
    }

private:
    const std::uint8_t* bytes_;
};

template <>
class Block<DType::q4_0> {
public:
    static constexpr bool kHasOffset = false;
    explicit Block(const std::uint8_t* bytes) : bytes_(bytes) {}
    Numbers part(int) const {
        const float d = load_half(bytes_);
        return {less(nibbles(bytes_ + 2), 8), {d, d}, {}};
    }

private:
    const std::uint8_t* bytes_;
};

template <>
class Block<DType::q4_1> {
public:
    static constexpr bool kHasOffset = true;
    explicit Block(const std::uint8_t* bytes) : bytes_(bytes) {}
    Numbers part(int) const {
        const float d = load_half(bytes_), m = load_half(bytes_ + 2);
        return {less(nibbles(bytes_ + 4), 0), {d, d}, {m, m}};
    }

private:
    const std::uint8_t* bytes_;
};

template <>
class Block<DType::q5_0> {
public:
    static constexpr bool kHasOffset = false;
    explicit Block(const std::uint8_t* bytes) : bytes_(bytes) {}
    Numbers part(int) const {
        const float d = load_half(bytes_);
        return {less(nibbles(bytes_ + 6) | bits32(bytes_ + 2) << 4, 16), {d, d}, {}};
    }

private:
    const std::uint8_t* bytes_;
};

template <>
class Block<DType::q5_1> {
public:
    static constexpr bool kHasOffset = true;
    explicit Block(const std::uint8_t* bytes) : bytes_(bytes) {}
    Numbers part(int) const {
        const float d = load_half(bytes_), m = load_half(bytes_ + 2);
        return {less(nibbles(bytes_ + 8) | bits32(bytes_ + 4) << 4, 0), {d, d}, {m, m}};
    }

private:
    const std::uint8_t* bytes_;
};

template <>
class Block<DType::q2_k> {
public:
    static constexpr bool kHasOffset = true;
    explicit Block(const std::uint8_t* bytes)
        : bytes_(bytes), d_(load_half(bytes + 80)), d_min_(load_half(bytes + 82)) {}
    Numbers part(int i) const {
        Numbers out{less(load32(bytes_ + 16 + i / 4 * 32) >> (i % 4 * 2) & 3, 0), {}, {}};
        for (int half = 0; half < 2; ++half) {
            const std::uint8_t both = bytes_[2 * i + half];
            out.scale[half] = d_ * static_cast<float>(both & 15);
            out.offset[half] = -(d_min_ * static_cast<float>(both >> 4));
        }
        return out;
    }

private:
    const std::uint8_t* bytes_;
    float d_, d_min_;
};

template <>
class Block<DType::q3_k> {
public:
    static constexpr bool kHasOffset = false;
    explicit Block(const std::uint8_t* bytes) : bytes_(bytes), d_(load_half(bytes + 108)) {}
    Numbers part(int i) const {
        const Codes32 low = load32(bytes_ + 32 + i / 4 * 32) >> (i % 4 * 2) & 3;
        const Codes32 high = load32(bytes_) >> i & 1;
        Numbers out{less(low | high << 2, 4), {}, {}};
        const std::uint8_t* const scales = bytes_ + 96;
        for (int half = 0; half < 2; ++half) {
            const int part = 2 * i + half;
            const int low_bits = part < 8 ? scales[part] & 15 : scales[part - 8] >> 4;
            const int scale = (low_bits | (scales[8 + part % 4] >> (part / 4 * 2) & 3) << 4) - 32;
            out.scale[half] = d_ * static_cast<float>(scale);
        }
        return out;
    }

private:
    const std::uint8_t* bytes_;
    float d_;
};

/// Scales and offsets of q4_k and q5_k: six bits each of eight scales and eight minima in 12 bytes behind two halves.
class ScaledSuperBlock {
public:
    explicit ScaledSuperBlock(const std::uint8_t* bytes)
        : bytes_(bytes), d_(load_half(bytes)), d_min_(load_half(bytes + 2)) {}

protected:
    Numbers with_scales(int i, Codes32 codes) const {
        const std::uint8_t* const six = bytes_ + 4;
        const int scale = i < 4 ? six[i] & 63 : (six[i + 4] & 15) | six[i - 4] >> 6 << 4;
        const int minimum = i < 4 ? six[i + 4] & 63 : six[i + 4] >> 4 | six[i] >> 6 << 4;
        const float d = d_ * static_cast<float>(scale), m = -(d_min_ * static_cast<float>(minimum));
        return {less(codes, 0), {d, d}, {m, m}};
    }
    const std::uint8_t* bytes_;

private:
    float d_, d_min_;
};

template <>
class Block<DType::q4_k> : ScaledSuperBlock {
public:
    static constexpr bool kHasOffset = true;
    using ScaledSuperBlock::ScaledSuperBlock;
    Numbers part(int i) const { return with_scales(i, load32(bytes_ + 16 + i / 2 * 32) >> (i % 2 * 4) & 15); }
};

template <>
class Block<DType::q5_k> : ScaledSuperBlock {
public:
    static constexpr bool kHasOffset = true;
    using ScaledSuperBlock::ScaledSuperBlock;
    Numbers part(int i) const {
        const Codes32 low = load32(bytes_ + 48 + i / 2 * 32) >> (i % 2 * 4) & 15, high = load32(bytes_ + 16) >> i & 1;
        return with_scales(i, low | high << 4);
    }
};

template <>
class Block<DType::q6_k> {
public:
    static constexpr bool kHasOffset = false;
    explicit Block(const std::uint8_t* bytes) : bytes_(bytes), d_(load_half(bytes + 208)) {}
    Numbers part(int i) const {
        const Codes32 low = load32(bytes_ + i / 4 * 64 + i % 2 * 32) >> (i % 4 / 2 * 4) & 15;
        const Codes32 high = load32(bytes_ + 128 + i / 4 * 32) >> (i % 4 * 2) & 3;
        const auto scale = [&](int part) {
            return d_ * static_cast<float>(static_cast<std::int8_t>(bytes_[192 + part]));
        };
        return {less(low | high << 4, 32), {scale(2 * i), scale(2 * i + 1)}, {}};
    }

private:
    const std::uint8_t* bytes_;
    float d_;
};

inline constexpr std::int8_t kUnevenNumbers[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                   1,    13,   25,  38,  53,  69,  89,  113};
inline constexpr std::int8_t kDoubledNumbers[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

template <>
class Block<DType::iq4_nl> {
public:
    static constexpr bool kHasOffset = false;
    explicit Block(const std::uint8_t* bytes) : bytes_(bytes) {}
    Numbers part(int) const {
        const float d = load_half(bytes_);
        return {look_up(kUnevenNumbers, nibbles(bytes_ + 2)), {d, d}, {}};
    }

private:
    const std::uint8_t* bytes_;
};

template <>
class Block<DType::iq4_xs> {
public:
    static constexpr bool kHasOffset = false;
    explicit Block(const std::uint8_t* bytes) : bytes_(bytes), d_(load_half(bytes)) {}
    Numbers part(int i) const {
        const int high = (bytes_[2] | bytes_[3] << 8) >> (2 * i) & 3, low = bytes_[4 + i / 2] >> (i % 2 * 4) & 15;
        const float d = d_ * static_cast<float>((low | high << 4) - 32);
        return {look_up(kUnevenNumbers, nibbles(bytes_ + 8 + 16 * i)), {d, d}, {}};
    }

private:
    const std::uint8_t* bytes_;
    float d_;
};

template <>
class Block<DType::mxfp4> {
public:
    static constexpr bool kHasOffset = false;
    explicit Block(const std::uint8_t* bytes) : bytes_(bytes) {}
    Numbers part(int) const {
        const std::uint32_t code = bytes_[0];
        const float d = std::bit_cast<float>(code < 2 ? std::uint32_t{0x200000} << code : (code - 1) << 23);
        return {look_up(kDoubledNumbers, nibbles(bytes_ + 1)), {d, d}, {}};
    }

private:
    const std::uint8_t* bytes_;
};

}  // namespace vitro::inline VITRO_ISA
