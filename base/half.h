// 16-bit floats as storage: arithmetic happens in fp32, stores round to nearest even.
#pragma once

#include "base/dtype.h"

#include <bit>
#include <cmath>
#include <cstdint>

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

/// Calls `body` with a value of the C++ type that stores `dtype`: `dispatch(x.dtype, [&](auto t) { using T =
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
        case DType::f32:
            break;
    }
    return body(float{});
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

}  // namespace vitro
