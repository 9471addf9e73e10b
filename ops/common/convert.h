// Runs of elements from one float dtype to another.
#pragma once

#include "base/half.h"

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace vitro {

/// to[i] = from[i], rounded to nearest even, for i in [0, n); memory apart.
template <class From, class To>
void convert(const From* from, To* to, std::int64_t n) {
    if constexpr (std::is_same_v<From, To>) {
        std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(To));
    } else {
        for (std::int64_t i = 0; i < n; ++i) to[i] = To(static_cast<float>(from[i]));
    }
}

}  // namespace vitro
