#include "runtime/peaks.h"

#include "backends/cpu/cpu_backend.h"
#include "ops/op_list.h"
#include "runtime/devices.h"

#include <algorithm>
#include <cstring>

namespace vitro {
namespace {

constexpr std::size_t kReadBytes = std::size_t{256} << 20;  // more than caches hold
constexpr int kRepeats = 5;

template <class Measure>
double best_of(Measure&& measure) {
    double best = 0;
    for (int i = 0; i < kRepeats; ++i) best = std::max(best, measure());
    return best;
}

Peaks peaks_of_cpu(CpuBackend& backend) {
    const CpuLimits& limits = cpu_limits();
    const Buffer memory = backend.allocate(kReadBytes, "the bandwidth measurement");
    std::memset(memory.data(), 1, memory.bytes());  // or all of it would be one page of zeros
    const std::span<const std::byte> bytes{memory.data(), memory.bytes()};
    return {.bytes_per_second = best_of([&] { return limits.read_bandwidth(backend.pool(), bytes); }),
            .flops_per_second = best_of([&] { return limits.fma_peak(backend.pool()); }),
            .integer_per_second = best_of([&] { return limits.integer_peak(backend.pool()); }),
            .flops_of = "fp32 multiply-adds from registers"};
}

}  // namespace

double Peaks::seconds_for_bytes(const Cost& cost) const { return static_cast<double>(cost.bytes) / bytes_per_second; }

double Peaks::seconds_for_flops(const Cost& cost, bool of_integers) const {
    const bool is_known = of_integers && integer_per_second > 0;
    return static_cast<double>(cost.flops) / (is_known ? integer_per_second : flops_per_second);
}

Peaks measure_peaks(Backend& backend) {
    if (backend.is_host()) return peaks_of_cpu(static_cast<CpuBackend&>(backend));
    const DeviceLimits limits = measure_limits(backend);
    return {.bytes_per_second = limits.read_bytes_per_second,
            .flops_per_second = limits.gemm_flops_per_second,
            .flops_of = fmt::format("bf16 products of {} x {}", limits.gemm_size, limits.gemm_size)};
}

}  // namespace vitro
