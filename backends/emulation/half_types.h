// __half and __nv_bfloat16, alone and in pairs: arithmetic rounds to nearest even after each operation, as on the
// device.
#pragma once

#include "backends/emulation/types.h"
#include "base/half.h"

#include <bit>
#include <cmath>
#include <concepts>

namespace vitro::emulation {

struct __half_raw {
    unsigned short x;
};
struct __half2_raw {
    unsigned short x, y;
};

/// `Format` is f16 or bf16.
template <class Format>
struct ShortFloat {
    unsigned short bits;

    ShortFloat() = default;
    // The device makes every NaN the same.
    ShortFloat(float value) : bits(std::isnan(value) ? 0x7fff : Format(value).bits) {}
    ShortFloat(double value) : ShortFloat(round_once(value)) {}
    ShortFloat(int value) : ShortFloat(static_cast<float>(value)) {}
    ShortFloat(__half_raw raw) requires std::same_as<Format, f16> : bits(raw.x) {}
    operator float() const {
        Format format;
        format.bits = bits;
        return static_cast<float>(format);
    }

    static ShortFloat of_bits(unsigned short bits) {
        ShortFloat value;
        value.bits = bits;
        return value;
    }

    friend ShortFloat operator+(ShortFloat a, ShortFloat b) { return float(a) + float(b); }
    friend ShortFloat operator-(ShortFloat a, ShortFloat b) { return float(a) - float(b); }
    friend ShortFloat operator*(ShortFloat a, ShortFloat b) { return float(a) * float(b); }
    friend ShortFloat operator/(ShortFloat a, ShortFloat b) { return float(a) / float(b); }
    friend ShortFloat operator-(ShortFloat a) { return of_bits(a.bits ^ 0x8000); }
    ShortFloat& operator+=(ShortFloat b) { return *this = *this + b; }
    ShortFloat& operator-=(ShortFloat b) { return *this = *this - b; }
    ShortFloat& operator*=(ShortFloat b) { return *this = *this * b; }
    ShortFloat& operator/=(ShortFloat b) { return *this = *this / b; }
    friend bool operator==(ShortFloat a, ShortFloat b) { return float(a) == float(b); }
    friend bool operator<(ShortFloat a, ShortFloat b) { return float(a) < float(b); }
    friend bool operator>(ShortFloat a, ShortFloat b) { return float(a) > float(b); }
    friend bool operator<=(ShortFloat a, ShortFloat b) { return float(a) <= float(b); }
    friend bool operator>=(ShortFloat a, ShortFloat b) { return float(a) >= float(b); }

private:
    // Rounding to odd keeps what the second rounding must know of the first.
    static float round_once(double value) {
        const auto nearest = static_cast<float>(value);
        if (double(nearest) == value || std::isnan(value) || std::isinf(nearest)) return nearest;
        auto u = std::bit_cast<std::uint32_t>(nearest);
        if (std::fabs(double(nearest)) > std::fabs(value)) --u;
        return std::bit_cast<float>(u | 1);
    }
};

template <class Format>
struct alignas(4) ShortFloat2 {
    ShortFloat<Format> x, y;

    ShortFloat2() = default;
    ShortFloat2(ShortFloat<Format> low, ShortFloat<Format> high) : x(low), y(high) {}
    ShortFloat2(__half2_raw raw) requires std::same_as<Format, f16> : x(__half_raw{raw.x}), y(__half_raw{raw.y}) {}

    friend ShortFloat2 operator+(ShortFloat2 a, ShortFloat2 b) { return {a.x + b.x, a.y + b.y}; }
    friend ShortFloat2 operator-(ShortFloat2 a, ShortFloat2 b) { return {a.x - b.x, a.y - b.y}; }
    friend ShortFloat2 operator*(ShortFloat2 a, ShortFloat2 b) { return {a.x * b.x, a.y * b.y}; }
};

using __half = ShortFloat<f16>;
using __half2 = ShortFloat2<f16>;
using __nv_bfloat16 = ShortFloat<bf16>;
using __nv_bfloat162 = ShortFloat2<bf16>;
using half = __half;
using half2 = __half2;
using nv_bfloat16 = __nv_bfloat16;
using nv_bfloat162 = __nv_bfloat162;

// Conversions.
inline __half __float2half(float a) { return a; }
inline __half __float2half_rn(float a) { return a; }
inline __half __double2half(double a) { return a; }
inline float __half2float(__half a) { return a; }
inline __half2 __floats2half2_rn(float a, float b) { return {a, b}; }
inline __half2 __float2half2_rn(float a) { return {a, a}; }
inline __half2 __float22half2_rn(float2 a) { return {a.x, a.y}; }
inline float2 __half22float2(__half2 a) { return {a.x, a.y}; }
inline unsigned short __half_as_ushort(__half a) { return a.bits; }
inline __half __ushort_as_half(unsigned short a) { return __half::of_bits(a); }

inline __nv_bfloat16 __float2bfloat16(float a) { return a; }
inline __nv_bfloat16 __float2bfloat16_rn(float a) { return a; }
inline __nv_bfloat16 __double2bfloat16(double a) { return a; }
inline float __bfloat162float(__nv_bfloat16 a) { return a; }
inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) { return {a, b}; }
inline __nv_bfloat162 __float2bfloat162_rn(float a) { return {a, a}; }
inline __nv_bfloat162 __float22bfloat162_rn(float2 a) { return {a.x, a.y}; }
inline float2 __bfloat1622float2(__nv_bfloat162 a) { return {a.x, a.y}; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 a) { return a.bits; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short a) { return __nv_bfloat16::of_bits(a); }

inline __half2 __halves2half2(__half a, __half b) { return {a, b}; }
inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) { return {a, b}; }
inline __half2 __half2half2(__half a) { return {a, a}; }
inline __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 a) { return {a, a}; }
inline __half __low2half(__half2 a) { return a.x; }
inline __half __high2half(__half2 a) { return a.y; }
inline __nv_bfloat16 __low2bfloat16(__nv_bfloat162 a) { return a.x; }
inline __nv_bfloat16 __high2bfloat16(__nv_bfloat162 a) { return a.y; }
template <class Format>
float __low2float(ShortFloat2<Format> a) {
    return a.x;
}
template <class Format>
float __high2float(ShortFloat2<Format> a) {
    return a.y;
}
inline __half2 make_half2(__half x, __half y) { return {x, y}; }
inline __nv_bfloat162 make_bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) { return {x, y}; }

// Arithmetic, the same for both formats.
template <class Format>
using Short = ShortFloat<Format>;
template <class Format>
using Short2 = ShortFloat2<Format>;

template <class Format>
Short<Format> __hadd(Short<Format> a, Short<Format> b) {
    return a + b;
}
template <class Format>
Short<Format> __hsub(Short<Format> a, Short<Format> b) {
    return a - b;
}
template <class Format>
Short<Format> __hmul(Short<Format> a, Short<Format> b) {
    return a * b;
}
template <class Format>
Short<Format> __hdiv(Short<Format> a, Short<Format> b) {
    return a / b;
}
/// Rounds once. The product of two 16-bit floats is exact in a double.
template <class Format>
Short<Format> __hfma(Short<Format> a, Short<Format> b, Short<Format> c) {
    return std::fma(double(float(a)), double(float(b)), double(float(c)));
}
template <class Format>
Short<Format> __hmax(Short<Format> a, Short<Format> b) {
    return std::fmax(float(a), float(b));
}
template <class Format>
Short<Format> __hmin(Short<Format> a, Short<Format> b) {
    return std::fmin(float(a), float(b));
}
template <class Format>
Short<Format> __habs(Short<Format> a) {
    return Short<Format>::of_bits(a.bits & 0x7fff);
}
template <class Format>
Short<Format> __hneg(Short<Format> a) {
    return -a;
}
template <class Format>
bool __hisnan(Short<Format> a) {
    return std::isnan(float(a));
}
template <class Format>
Short2<Format> __hadd2(Short2<Format> a, Short2<Format> b) {
    return a + b;
}
template <class Format>
Short2<Format> __hsub2(Short2<Format> a, Short2<Format> b) {
    return a - b;
}
template <class Format>
Short2<Format> __hmul2(Short2<Format> a, Short2<Format> b) {
    return a * b;
}
template <class Format>
Short2<Format> __hfma2(Short2<Format> a, Short2<Format> b, Short2<Format> c) {
    return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)};
}
template <class Format>
Short2<Format> __hmax2(Short2<Format> a, Short2<Format> b) {
    return {__hmax(a.x, b.x), __hmax(a.y, b.y)};
}
template <class Format>
Short2<Format> __hmin2(Short2<Format> a, Short2<Format> b) {
    return {__hmin(a.x, b.x), __hmin(a.y, b.y)};
}

}  // namespace vitro::emulation
