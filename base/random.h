// Random numbers that depend only on (seed, counter): the same on any thread count and any device.
#pragma once

#include <cmath>
#include <cstdint>

namespace vitro {

/// A well-mixed 64-bit hash of seed and counter (the finalizer of SplitMix64, Steele et al. 2014, applied twice).
constexpr std::uint64_t random_bits(std::uint64_t seed, std::uint64_t counter) {
    auto mix = [](std::uint64_t z) {
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
    };
    return mix(mix(seed + 0x9e3779b97f4a7c15ULL) + 0x9e3779b97f4a7c15ULL * (counter + 1));
}

/// Uniform in [0, 1), 24 bits: every value is exact in fp32.
constexpr float random_uniform(std::uint64_t seed, std::uint64_t counter) {
    return static_cast<float>(random_bits(seed, counter) >> 40) * 0x1p-24f;
}

/// A stream over random_bits, for tests and generated weights.
class Random {
public:
    explicit Random(std::uint64_t seed) : seed_(seed) {}

    std::uint64_t bits() { return random_bits(seed_, counter_++); }
    float uniform() { return random_uniform(seed_, counter_++); }
    /// An integer in [low, high].
    std::int64_t integer(std::int64_t low, std::int64_t high) {
        return low + static_cast<std::int64_t>(bits() % static_cast<std::uint64_t>(high - low + 1));
    }
    /// Standard normal (Box and Muller 1958).
    float normal() {
        const float u = 1.0f - uniform();
        return std::sqrt(-2.0f * std::log(u)) * std::cos(6.2831853f * uniform());
    }

private:
    std::uint64_t seed_;
    std::uint64_t counter_ = 0;
};

}  // namespace vitro
