// How CPU kernels share their rows and elements among threads.
#pragma once

#include "backends/cpu/cpu_backend.h"
#include "backends/cpu/isa.h"
#include "graph/op_def.h"

#include <algorithm>

namespace vitro::inline VITRO_ISA {

/// Elements that are worth waking a thread for: some microseconds of work.
inline constexpr std::int64_t kParallelGrain = 16384;

/// Calls body(begin, end) until [0, n) is covered, for n units of `elements` elements each.
template <class Body>
void parallel_ranges(const Call& call, std::int64_t n, std::int64_t elements, Body&& body) {
    const std::int64_t grain = std::max<std::int64_t>(1, kParallelGrain / std::max<std::int64_t>(1, elements));
    static_cast<CpuBackend&>(call.backend)
        .pool()
        .parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end, int) { body(begin, end); });
}

/// Calls body(row) for each of n rows of `elements` elements.
template <class Body>
void parallel_rows(const Call& call, std::int64_t n, std::int64_t elements, Body&& body) {
    parallel_ranges(call, n, elements, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) body(row);
    });
}

}  // namespace vitro::inline VITRO_ISA
