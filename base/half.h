// 16- and 8-bit floats as storage: arithmetic happens in fp32, stores round to nearest even.
#pragma once

#include "base/dtype.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <utility>

namespace vitro {

/// IEEE binary16.
struct f16 {
    std::uint16_t bits = 0;

    f16() = default;
    explicit f16(float value) : bits(std::bit_cast<std::uint16_t>(static_cast<_Float16>(value))) {}
    explicit operator float() const { return static_cast<float>(std::bit_cast<_Float16>(bits)); }
};

/// The upper half of an fp32.
struct bf16 {
    std::uint16_t bits = 0;

    bf16() = default;
    explicit bf16(float value) {
        const auto u = std::bit_cast<std::uint32_t>(value);
        bits = std::isnan(value) ? static_cast<std::uint16_t>((u >> 16) | 0x40)
                                 : static_cast<std::uint16_t>((u + 0x7fff + ((u >> 16) & 1)) >> 16);
    }
    explicit operator float() const { return std::bit_cast<float>(std::uint32_t{bits} << 16); }
};

/// OCP 8-bit float E4M3 (OFP8 1.0): four exponent and three mantissa bits, no infinity; what is beyond 448 becomes 448.
struct f8e4m3 {
    std::uint8_t bits = 0;

    static constexpr float kLargest = 448;

    f8e4m3() = default;
    explicit f8e4m3(float value) {
        const float magnitude = std::fabs(value);
        const auto u = std::bit_cast<std::uint32_t>(magnitude);
        const auto sign = static_cast<unsigned>(std::signbit(value)) << 7;
        unsigned code;
        if (std::isnan(value))
            code = 0x7f;
        else if (magnitude > kLargest)
            code = 0x7e;
        else if (magnitude < 0x1p-6f)  // denormal: steps of 2^-9, found by the rounding of a sum
            code = std::bit_cast<std::uint32_t>(magnitude + 0x1p14f) & 0xf;
        else
            code = ((u + 0x7ffff + (u >> 20 & 1)) >> 20) - (120 << 3);
        bits = static_cast<std::uint8_t>(sign | code);
    }
    explicit operator float() const {
        // The exponent and mantissa where fp32 has them, 120 too low; NaN by itself.
        const auto magnitude = std::bit_cast<float>((bits & 0x7fu) << 20) * 0x1p120f;
        const float value = (bits & 0x7f) == 0x7f ? NAN : magnitude;
        return (bits & 0x80) != 0 ? -value : value;
    }
};

/// Fails a check: `dtype` is block-quantized, and an element of a block is no object by itself (base/blocks.h).
[[noreturn]] void no_element_type(DType dtype);

/// Calls `body` with a value of the C++ type that stores `dtype`, which has blocks of one element: `dispatch(x.dtype, [&](auto t) { using T =
/// decltype(t); … })`.
template <class Body>
decltype(auto) dispatch(DType dtype, Body&& body) {
    switch (dtype) {
        case DType::f16:
            return body(f16{});
        case DType::bf16:
            return body(bf16{});
        case DType::i32:
            return body(std::int32_t{});
        case DType::f8e4m3:
            return body(f8e4m3{});
        case DType::f32:
            return body(float{});
        default:
            no_element_type(dtype);
    }
}

/// As dispatch, for kernels that only take floats; i32 was refused when the graph was verified.
template <class Body>
decltype(auto) dispatch_float(DType dtype, Body&& body) {
    switch (dtype) {
        case DType::f16:
            return body(f16{});
        case DType::bf16:
            return body(bf16{});
        default:
            return body(float{});
    }
}

/// As dispatch_float, for weights and caches.
template <class Body>
decltype(auto) dispatch_stored_float(DType dtype, Body&& body) {
    if (dtype == DType::f8e4m3) return body(f8e4m3{});
    return dispatch_float(dtype, std::forward<Body>(body));
}

}  // namespace vitro
