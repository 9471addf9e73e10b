// What this machine can do at most, measured: the yardsticks of the other benchmarks. Both are called alternately with
// the thing measured, so that a noisy neighbour slows both and their ratio holds.
#pragma once

#include "backends/cpu/cpu_backend.h"

#include <chrono>
#include <cstddef>
#include <span>
#include <vector>

namespace vitro::bench {

/// Seconds that `body()` takes.
template <class Body>
double seconds(Body&& body) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Bytes a second at which all threads of the pool together read `memory`, front to back, doing next to nothing with
/// it. Only meaningful as the memory's speed when `memory` is in no cache.
double read_bandwidth(ThreadPool& pool, std::span<const std::byte> memory);

/// fp32 operations a second (two for a multiply-add) of all threads of the pool together, from registers.
double fma_peak(ThreadPool& pool);

/// Operations a second (two for a product that is added) of all threads together, from registers, of the instruction
/// that multiplies 8-bit numbers: that of VNNI, else the one that adds neighbouring products.
double integer_peak(ThreadPool& pool);

/// The middle one of some measurements (reorders them).
double median(std::vector<double>& values);

}  // namespace vitro::bench
