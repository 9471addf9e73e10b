// Integer arithmetic for sizes that come from files: overflow is an answer, not a wrapped number.
#pragma once

#include <cstdint>
#include <optional>

namespace vitro {

/// a * b, or nothing when it does not fit.
template <class T>
std::optional<T> checked_mul(T a, T b) {
    T out;
    if (__builtin_mul_overflow(a, b, &out)) return std::nullopt;
    return out;
}

/// a + b, or nothing when it does not fit.
template <class T>
std::optional<T> checked_add(T a, T b) {
    T out;
    if (__builtin_add_overflow(a, b, &out)) return std::nullopt;
    return out;
}

/// `n` rounded up to a multiple of `alignment` (> 0).
template <class T>
constexpr T round_up(T n, T alignment) {
    return (n + alignment - 1) / alignment * alignment;
}

}  // namespace vitro
