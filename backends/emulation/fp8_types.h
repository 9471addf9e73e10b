// __nv_fp8_e4m3: one sign, four exponent and three mantissa bits, no infinity, largest value 448. Conversions round to
// nearest even; the types of two and four saturate, as the single one does.
#pragma once

#include "backends/emulation/half_types.h"

#include <bit>
#include <cmath>
#include <cstdint>

namespace vitro::emulation {

using __nv_fp8_storage_t = unsigned char;
using __nv_fp8x2_storage_t = unsigned short;
using __nv_fp8x4_storage_t = unsigned;
enum __nv_saturation_t { __NV_NOSAT, __NV_SATFINITE };
enum __nv_fp8_interpretation_t { __NV_E4M3 };

inline __nv_fp8_storage_t __nv_cvt_float_to_fp8(float value, __nv_saturation_t saturation, __nv_fp8_interpretation_t) {
    constexpr unsigned kNan = 0x7f, kLargest = 0x7e;
    const auto u = std::bit_cast<std::uint32_t>(value);
    const unsigned sign = u >> 24 & 0x80;
    const float magnitude = std::fabs(value);
    if (std::isnan(value)) return kNan;
    unsigned code = 0;
    if (magnitude < 0x1p-6f) {
        code = static_cast<unsigned>(std::nearbyint(magnitude * 512.0f));  // subnormal: steps of 2^-9
    } else if (std::isinf(value)) {
        code = kNan;
    } else {
        std::uint32_t m = u & 0x7fffffff;
        m += 0x7ffff + (m >> 20 & 1);
        code = std::min((m >> 20) - ((127 - 7) << 3), kNan);
    }
    if (code >= kNan) code = saturation == __NV_SATFINITE ? kLargest : kNan;
    return static_cast<__nv_fp8_storage_t>(sign | code);
}

inline __half_raw __nv_cvt_fp8_to_halfraw(__nv_fp8_storage_t code, __nv_fp8_interpretation_t) {
    const unsigned magnitude = code & 0x7f, sign = unsigned(code & 0x80) << 8;
    if (magnitude == 0x7f) return {0x7fff};
    if (magnitude >= 8) return {static_cast<unsigned short>(sign | ((magnitude << 7) + ((15 - 7) << 10)))};
    return {static_cast<unsigned short>(sign | __half(float(magnitude) * 0x1p-9f).bits)};
}

inline __nv_fp8x2_storage_t __nv_cvt_float2_to_fp8x2(float2 value, __nv_saturation_t saturation,
                                                     __nv_fp8_interpretation_t kind) {
    return static_cast<__nv_fp8x2_storage_t>(__nv_cvt_float_to_fp8(value.x, saturation, kind) |
                                             __nv_cvt_float_to_fp8(value.y, saturation, kind) << 8);
}

inline __half2_raw __nv_cvt_fp8x2_to_halfraw2(__nv_fp8x2_storage_t codes, __nv_fp8_interpretation_t kind) {
    return {__nv_cvt_fp8_to_halfraw(codes & 0xff, kind).x, __nv_cvt_fp8_to_halfraw(codes >> 8, kind).x};
}

struct __nv_fp8_e4m3 {
    __nv_fp8_storage_t __x;

    __nv_fp8_e4m3() = default;
    explicit __nv_fp8_e4m3(float value) : __x(__nv_cvt_float_to_fp8(value, __NV_SATFINITE, __NV_E4M3)) {}
    explicit __nv_fp8_e4m3(__half value) : __nv_fp8_e4m3(float(value)) {}
    explicit __nv_fp8_e4m3(__nv_bfloat16 value) : __nv_fp8_e4m3(float(value)) {}
    explicit operator float() const { return __half(__nv_cvt_fp8_to_halfraw(__x, __NV_E4M3)); }
    explicit operator __half() const { return __nv_cvt_fp8_to_halfraw(__x, __NV_E4M3); }
};

struct alignas(2) __nv_fp8x2_e4m3 {
    __nv_fp8x2_storage_t __x;

    __nv_fp8x2_e4m3() = default;
    explicit __nv_fp8x2_e4m3(float2 value) : __x(__nv_cvt_float2_to_fp8x2(value, __NV_SATFINITE, __NV_E4M3)) {}
    explicit operator float2() const { return __half22float2(__nv_cvt_fp8x2_to_halfraw2(__x, __NV_E4M3)); }
    explicit operator __half2() const { return __nv_cvt_fp8x2_to_halfraw2(__x, __NV_E4M3); }
};

struct alignas(4) __nv_fp8x4_e4m3 {
    __nv_fp8x4_storage_t __x;

    __nv_fp8x4_e4m3() = default;
    explicit __nv_fp8x4_e4m3(float4 value)
        : __x(__nv_cvt_float2_to_fp8x2({value.x, value.y}, __NV_SATFINITE, __NV_E4M3) |
              unsigned(__nv_cvt_float2_to_fp8x2({value.z, value.w}, __NV_SATFINITE, __NV_E4M3)) << 16) {}
    explicit operator float4() const {
        const float2 low = __half22float2(__nv_cvt_fp8x2_to_halfraw2(__x & 0xffff, __NV_E4M3));
        const float2 high =
            __half22float2(__nv_cvt_fp8x2_to_halfraw2(static_cast<unsigned short>(__x >> 16), __NV_E4M3));
        return {low.x, low.y, high.x, high.y};
    }
};

}  // namespace vitro::emulation
