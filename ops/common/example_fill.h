// Valid values for the inputs of examples.
#pragma once

#include "base/q8_0.h"
#include "base/random.h"
#include "base/rounded.h"
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

/// Blocks, packed or not: bytes so small make finite scales of every kind, wherever in a block those stand. Or rounded
/// normal numbers.
inline bool fill_blocks(std::size_t, const Tensor& tensor, Random& random) {
    if (is_rounded(tensor.dtype)) {
        std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
        for (float& value : values) value = static_cast<float>(random.normal());
        round_activations(values.data(), tensor.elements(), tensor.as<Rounded32>());
        return true;
    }
    for (std::int64_t i = 0; i < tensor.bytes(); ++i)
        tensor.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(random.integer(0, 0x3b));
    return true;
}

/// A cache of blocks: normal numbers, rounded. Of another type nothing; says which.
inline bool fill_cache(const Tensor& tensor, Random& random) {
    if (tensor.dtype != DType::q8_0) return false;
    std::vector<float> values(static_cast<std::size_t>(tensor.elements()));
    for (float& value : values) value = static_cast<float>(random.normal());
    round_to_q8_0(values.data(), tensor.elements(), tensor.as<Q8Block>());
    return true;
}

}  // namespace vitro
