// Valid values for the i32 inputs of examples.
#pragma once

#include "base/random.h"
#include "base/tensor.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace vitro {

/// Each in [0, limit).
inline void fill_below(const Tensor& tensor, std::int64_t limit, Random& random) {
    for (std::int64_t i = 0; i < tensor.elements(); ++i)
        tensor.as<std::int32_t>()[i] = static_cast<std::int32_t>(random.integer(0, limit - 1));
}

/// Each in [0, limit), no two alike; limit >= the number of elements.
inline void fill_distinct(const Tensor& tensor, std::int64_t limit, Random& random) {
    std::vector<std::int32_t> numbers(static_cast<std::size_t>(limit));
    std::iota(numbers.begin(), numbers.end(), 0);
    for (std::int64_t i = 0; i < tensor.elements(); ++i) {
        std::swap(numbers[std::size_t(i)], numbers[std::size_t(random.integer(i, limit - 1))]);
        tensor.as<std::int32_t>()[i] = numbers[std::size_t(i)];
    }
}

/// Numbers >= 0 that add up to `total`.
inline void fill_lengths(const Tensor& tensor, std::int64_t total, Random& random) {
    for (std::int64_t i = 0; i < tensor.elements(); ++i) {
        const std::int64_t length = i + 1 == tensor.elements() ? total : random.integer(0, total);
        tensor.as<std::int32_t>()[i] = static_cast<std::int32_t>(length);
        total -= length;
    }
}

}  // namespace vitro
