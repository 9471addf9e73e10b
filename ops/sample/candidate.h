// The arithmetic of sampling, the same to the bit on the host and on the device: probabilities are whole numbers, so
// that sums do not depend on their order, and the few roundings before are those of single IEEE operations.
#pragma once

#include "base/host_device.h"

#include <cstdint>

#include <math.h>

namespace vitro {

/// Tokens further below the best one, in units of logit / temperature, are never drawn: less than 2e-12 of its share.
inline constexpr float kFarthestCandidate = 27.0f;
/// Weight of the best candidate.
inline constexpr std::uint64_t kBestWeight = std::uint64_t{1} << 40;
/// So many bits has the number of a token; 2^22 weights add up to less than 2^63.
inline constexpr int kTokenBits = 22;
/// So many bits has sample_order.
inline constexpr int kOrderBits = kTokenBits + 33;

/// How far a logit is below the largest, at a temperature above 0. The token is a candidate where this is at most
/// kFarthestCandidate; NaN never is.
VITRO_HOST_DEVICE inline float sample_distance(float logit, float largest, float temperature) {
    return logit == largest ? 0.0f : (largest - logit) / temperature;
}

/// The candidates' order: by rising distance, equal ones (to 2^-28) by token.
VITRO_HOST_DEVICE inline std::uint64_t sample_order(float distance, std::int32_t token) {
    return static_cast<std::uint64_t>(distance * 0x1p28f) << kTokenBits | static_cast<std::uint32_t>(token);
}
VITRO_HOST_DEVICE inline std::int32_t token_of_order(std::uint64_t order) {
    return static_cast<std::int32_t>(order & ((1u << kTokenBits) - 1));
}

/// e^-distance in units of 1 / kBestWeight, within 2^-23 of itself.
VITRO_HOST_DEVICE inline std::uint64_t sample_weight(float distance) {
    // 2^n e^r with |r| <= ln 2 / 2. Every product that is added to something is an explicit fmaf, which no compiler
    // takes apart.
    const float n = rintf(distance * -1.44269504f);
    float r = fmaf(n, -0.693359375f, -distance);  // ln 2 in two parts, of which the first has few bits
    r = fmaf(n, 2.12194440e-4f, r);
    float power = fmaf(1.0f / 5040, r, 1.0f / 720);
    power = fmaf(power, r, 1.0f / 120);
    power = fmaf(power, r, 1.0f / 24);
    power = fmaf(power, r, 1.0f / 6);
    power = fmaf(power, r, 0.5f);
    power = fmaf(power, r, 1.0f);
    power = fmaf(power, r, 1.0f);
    const int exponent = 40 + static_cast<int>(n);  // of kBestWeight, and at least 1
    return static_cast<std::uint64_t>(power * static_cast<float>(std::uint64_t{1} << exponent));
}

/// The sum of weights that top-p asks for, at least 1, of candidates that weigh `all` together.
VITRO_HOST_DEVICE inline std::uint64_t top_p_weight(float top_p, std::uint64_t all) {
    const auto wanted = static_cast<std::uint64_t>(ceil(static_cast<double>(top_p) * static_cast<double>(all)));
    return wanted < 1 ? 1 : wanted > all ? all : wanted;
}

/// The least weight that min-p leaves; the best candidate has it.
VITRO_HOST_DEVICE inline std::uint64_t min_p_weight(float min_p) {
    const auto least = static_cast<std::uint64_t>(ceil(static_cast<double>(min_p) * static_cast<double>(kBestWeight)));
    return least < kBestWeight ? least : kBestWeight;
}

/// Where in [0, all) the draw falls that `uniform` in [0, 1) stands for: the first candidate whose weight, added to
/// those before it in order, exceeds this is the one.
VITRO_HOST_DEVICE inline std::uint64_t drawn_weight(float uniform, std::uint64_t all) {
    const auto drawn = static_cast<std::uint64_t>(static_cast<double>(uniform) * static_cast<double>(all));
    return drawn < all ? drawn : all - 1;
}

}  // namespace vitro
