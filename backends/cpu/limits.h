// What a CPU can do at most, measured: the yardsticks of profiles and benchmarks.
#pragma once

#include "backends/cpu/cpu_backend.h"

#include <cstddef>
#include <span>

namespace vitro {

/// The measurements, compiled for one instruction set like the kernels. A single one is at the mercy of what else the
/// machine does; take the best or the median of several.
struct CpuLimits {
    /// Bytes a second at which all threads of the pool together read `memory`, front to back, doing next to nothing
    /// with it. Only meaningful as the memory's speed when `memory` is in no cache.
    double (*read_bandwidth)(ThreadPool& pool, std::span<const std::byte> memory);
    /// fp32 operations a second (two for a multiply-add) of all threads of the pool together, from registers.
    double (*fma_peak)(ThreadPool& pool);
    /// The same of the instruction that multiplies tiles or pairs of bf16; 0 where no product uses one.
    double (*bf16_peak)(ThreadPool& pool);
    /// Operations a second (two for a product that is added) of all threads together, from registers, of the
    /// instruction that multiplies 8-bit numbers: that of VNNI, else the one that adds neighbouring products.
    double (*integer_peak)(ThreadPool& pool);
};

}  // namespace vitro
