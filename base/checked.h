// Integer arithmetic for sizes that come from files: overflow is an answer, not a wrapped number.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
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

/// The product of numbers that are not negative, at most 2^60: for counts that are told and added up, not allocated.
inline std::int64_t capped_product(std::initializer_list<std::int64_t> factors) {
    constexpr std::int64_t kMost = std::int64_t{1} << 60;
    std::int64_t product = 1;
    for (const std::int64_t factor : factors) {
        if (factor == 0) return 0;
        product = std::min(checked_mul(product, factor).value_or(kMost), kMost);
    }
    return product;
}

/// `n` rounded up to a multiple of `alignment` (> 0).
template <class T>
constexpr T round_up(T n, T alignment) {
    return (n + alignment - 1) / alignment * alignment;
}

}  // namespace vitro
