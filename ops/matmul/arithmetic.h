// What a product multiplies: the types decide which of the CPU's kernels runs, and which of its peaks bounds the
// product.
#pragma once

#include "base/rounded.h"

#include <cstdint>

namespace vitro {

enum class Arithmetic : std::uint8_t { floats, bf16_pairs, integers };

/// Of a [M, K] times b [N, K] transposed, or b [K, N]. Pairs of bf16 become floats where the CPU has no instruction
/// that multiplies them. A sum's bits depend on it, so only types, the layout and K may decide.
constexpr Arithmetic arithmetic_of(DType a, DType b, bool transpose_b, std::int64_t k) {
    if (is_rounded(a)) return Arithmetic::integers;
    const bool pairs = a == DType::bf16 && b == DType::bf16 && transpose_b && k % 2 == 0;
    return pairs ? Arithmetic::bf16_pairs : Arithmetic::floats;
}

}  // namespace vitro
