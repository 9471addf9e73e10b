// Times and their median. What this machine can do at most is measured by backends/cpu/limits.h, alternately with what
// is measured against it, so that a noisy neighbour slows both and their ratio holds.
#pragma once

#include <chrono>
#include <vector>

namespace vitro::bench {

/// Seconds that `body()` takes.
template <class Body>
double seconds(Body&& body) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// The middle one of some measurements (reorders them).
double median(std::vector<double>& values);

}  // namespace vitro::bench
