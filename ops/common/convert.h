// Runs of elements from one float dtype to another.
#pragma once

#include "backends/cpu/simd.h"

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace vitro::inline VITRO_ISA {

/// to[i] = from[i], rounded to nearest even, for i in [0, n); memory apart.
template <class From, class To>
void convert(const From* from, To* to, std::int64_t n) {
    if constexpr (std::is_same_v<From, To>) {
        std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(To));
    } else {
        simd::each(n, [&](auto i, auto lanes) { simd::store(to + i, simd::load(from + i, lanes), lanes); });
    }
}

}  // namespace vitro::inline VITRO_ISA
