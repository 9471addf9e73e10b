// SIMD building blocks for matrices: a register tile of dot products, sums over lanes four at a time, transposition.
#pragma once

#include "backends/cpu/simd.h"

#include <type_traits>
#include <utility>

namespace vitro::inline VITRO_ISA::simd {

using Floats4 = float __attribute__((vector_size(16)));

/// a * b + c, rounded once where the machine can.
[[gnu::always_inline]] inline Floats multiply_add(Floats a, Floats b, Floats c) {
#ifdef __FMA__
    return reinterpret_cast<Floats>(
        _mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
#else
    return a * b + c;
#endif
}

/// sum() of each of four vectors, in the same order.
[[gnu::always_inline]] inline Floats4 sums(Floats x, Floats y, Floats z, Floats w) {
    const auto halves = [](Floats v) {
        return __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
    };
    const auto pairs = [](Floats4 a, Floats4 b) {  // a0+a2, b0+b2, a1+a3, b1+b3
        return __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
    };
    const Floats4 xy = pairs(halves(x), halves(y)), zw = pairs(halves(z), halves(w));
    return __builtin_shufflevector(xy, zw, 0, 1, 4, 5) + __builtin_shufflevector(xy, zw, 2, 3, 6, 7);
}

/// Turns eight rows into eight columns.
[[gnu::always_inline]] inline void transpose(Floats (&r)[kLanes]) {
    Floats two[kLanes], four[kLanes];  // within each half: pairs of rows, then quadruples, interleaved
    for (int i = 0; i < kLanes; i += 2) {
        two[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        two[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i : {0, 1, 4, 5}) {
        const int out = i / 4 * 4 + i % 4 * 2;
        four[out] = __builtin_shufflevector(two[i], two[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        four[out + 1] = __builtin_shufflevector(two[i], two[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
    for (int i = 0; i < 4; ++i) {
        r[i] = __builtin_shufflevector(four[i], four[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        r[i + 4] = __builtin_shufflevector(four[i], four[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

/// Keeps `value` in a register: the compiler may not read it from memory again where it is used.
[[gnu::always_inline]] inline void keep([[maybe_unused]] Floats& value) {
#ifdef __AVX__
    asm("" : "+x"(value));
#endif
}

/// Some rows of a matrix, read eight elements at a time.
template <class T>
struct Rows {
    const T* data;      // the current eight elements of the first row
    std::int64_t row;   // elements from one row to the next
    std::int64_t step;  // elements from one eight to the next
};

/// Calls body(std::integral_constant) for 0, 1, … n - 1. Unrolled by the front end, so that arrays indexed by it become
/// registers; the optimizer unrolls loops too late for that.
template <int n, class Body>
[[gnu::always_inline]] inline void unrolled(Body&& body) {
    [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
        (body(std::integral_constant<int, i>{}), ...);
    }
    (std::make_integer_sequence<int, n>{});
}

/// acc[i][j] += a_i * b_j, lane by lane, over `steps` times eight elements of kA rows a and kB rows b.
template <int kA, int kB, class A, class B>
[[gnu::always_inline]] inline void multiply_tile(Rows<A> a, Rows<B> b, std::int64_t steps, Floats (&acc)[kA][kB]) {
    for (; steps > 0; --steps) {
        Floats x[kA];
        unrolled<kA>([&](auto i) __attribute__((always_inline)) {
            x[i] = load(a.data + i * a.row);
            keep(x[i]);
        });
        unrolled<kB>([&](auto j) __attribute__((always_inline)) {
            Floats y = load(b.data + j * b.row);
            keep(y);
            unrolled<kA>([&](auto i) __attribute__((always_inline)) { acc[i][j] = multiply_add(x[i], y, acc[i][j]); });
        });
        a.data += a.step;
        b.data += b.step;
    }
}

}  // namespace vitro::inline VITRO_ISA::simd
