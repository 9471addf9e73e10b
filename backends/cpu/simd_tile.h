// SIMD building blocks for matrices: a register tile of dot products, sums over lanes four at a time, transposition.
#pragma once

#include "backends/cpu/simd.h"

#include <type_traits>
#include <utility>

namespace vitro::inline VITRO_ISA::simd {

using Floats4 = float __attribute__((vector_size(16)));

/// a * b + c, rounded once where the machine can.
[[gnu::always_inline]] inline Floats multiply_add(Floats a, Floats b, Floats c) {
#if defined(__AVX512F__)
    return reinterpret_cast<Floats>(
        _mm512_fmadd_ps(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(c)));
#elif defined(__FMA__)
    return reinterpret_cast<Floats>(
        _mm256_fmadd_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
#else
    return a * b + c;
#endif
}

/// c + a * b lane by lane.
struct MultiplyFloats {
    [[gnu::always_inline]] static Floats add(Floats a, Floats b, Floats c) { return multiply_add(a, b, c); }
};

/// The same where each lane of a and b holds two numbers of bf16: both products are added to c, which is fp32. Only
/// where has_bf16_products(): of the CPUs with the set avx512_vnni many have the instruction, so it is written in
/// assembly.
struct MultiplyBf16Pairs {
    [[gnu::always_inline]] static Floats add([[maybe_unused]] Floats a, [[maybe_unused]] Floats b, Floats c) {
#ifdef __AVX512VNNI__
        asm("vdpbf16ps %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
#endif
        return c;
    }
};

/// Whether products of bf16 are faster than those of fp32: Intel's CPUs take two cycles for the instruction, half of
/// the speed, but may have tiles instead.
#ifdef __AMX_BF16__
constexpr bool has_bf16_products() { return true; }
#elif defined(__AVX512VNNI__)
inline bool has_bf16_products() { return __builtin_cpu_supports("avx512bf16") && !__builtin_cpu_is("intel"); }
#else
constexpr bool has_bf16_products() { return false; }
#endif

/// sum() of each of four vectors, in the same order.
[[gnu::always_inline]] inline Floats4 sums(Floats x, Floats y, Floats z, Floats w) {
#ifdef __AVX512F__
    const auto pairs = [](Floats a, Floats b) {  // of each four lanes: a0+a2, b0+b2, a1+a3, b1+b3
        return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29) +
               __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    };
    const Floats xy = pairs(x, y), zw = pairs(z, w);
    const Floats four = __builtin_shufflevector(xy, zw, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
                        __builtin_shufflevector(xy, zw, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    const auto eight = __builtin_shufflevector(four, four, 0, 1, 2, 3, 4, 5, 6, 7) +
                       __builtin_shufflevector(four, four, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    const auto pairs = [](Floats a, Floats b) {  // of each four lanes: a0+a2, b0+b2, a1+a3, b1+b3
        return __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13) +
               __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
    };
    const Floats xy = pairs(x, y), zw = pairs(z, w);
    const Floats eight = __builtin_shufflevector(xy, zw, 0, 1, 8, 9, 4, 5, 12, 13) +
                         __builtin_shufflevector(xy, zw, 2, 3, 10, 11, 6, 7, 14, 15);
#endif
    return __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
}

/// Of lanes i and i + n of two rows, the upper ones of `a` and the lower ones of `b` change places.
template <int n>
[[gnu::always_inline]] inline void exchange(Floats& a, Floats& b) {
    [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
        const Floats x = a, y = b;
        a = __builtin_shufflevector(x, y, ((i & n) == 0 ? i : kLanes + i - n)...);
        b = __builtin_shufflevector(x, y, ((i & n) == 0 ? i + n : kLanes + i)...);
    }
    (std::make_integer_sequence<int, kLanes>{});
}

/// Turns kLanes rows into kLanes columns.
[[gnu::always_inline]] inline void transpose(Floats (&r)[kLanes]) {
    const auto all = [&]<int n>(std::integral_constant<int, n>) __attribute__((always_inline)) {
        for (int i = 0; i < kLanes; ++i)
            if ((i & n) == 0) exchange<n>(r[i], r[i + n]);
    };
    if constexpr (kLanes == 16) all(std::integral_constant<int, 8>{});
    all(std::integral_constant<int, 4>{});
    all(std::integral_constant<int, 2>{});
    all(std::integral_constant<int, 1>{});
}

/// Keeps `value` in a register: the compiler may not read it from memory again where it is used.
[[gnu::always_inline]] inline void keep([[maybe_unused]] Floats& value) {
#ifdef __AVX__
    asm("" : "+v"(value));
#elif defined(__aarch64__)
    asm("" : "+m"(value));  // it is as wide as two registers
#endif
}

/// Some rows of a matrix, read kLanes elements at a time.
template <class T>
struct Rows {
    const T* data;      // the current elements of the first row
    std::int64_t row;   // elements from one row to the next
    std::int64_t step;  // elements from one vector to the next
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

/// acc[i][j] += a_i * b_j, lane by lane, over `steps` times kLanes elements of kA rows a and kB rows b.
template <class Multiply, int kA, int kB, class A, class B>
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
            unrolled<kA>([&](auto i) __attribute__((always_inline)) { acc[i][j] = Multiply::add(x[i], y, acc[i][j]); });
        });
        a.data += a.step;
        b.data += b.step;
    }
}

}  // namespace vitro::inline VITRO_ISA::simd
