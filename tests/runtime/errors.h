// How far computed values are from expected ones.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <span>

namespace vitro::test {

/// Mean square of the difference, relative to that of `expected`.
inline double nmse(std::span<const float> found, std::span<const float> expected) {
    REQUIRE(found.size() == expected.size());
    double difference = 0, power = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        difference += std::pow(static_cast<double>(found[i]) - static_cast<double>(expected[i]), 2);
        power += std::pow(static_cast<double>(expected[i]), 2);
    }
    return difference / power;
}

}  // namespace vitro::test
