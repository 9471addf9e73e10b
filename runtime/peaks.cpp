#include "runtime/peaks.h"

#include "backends/cpu/cpu_backend.h"
#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
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
            .bf16_per_second = best_of([&] { return limits.bf16_peak(backend.pool()); }),
            .integer_per_second = best_of([&] { return limits.integer_peak(backend.pool()); }),
            .flops_of = "fp32 multiply-adds from registers"};
}

}  // namespace

Peaks Peaks::or_better(const Peaks& other) const {
    return {.bytes_per_second = std::max(bytes_per_second, other.bytes_per_second),
            .flops_per_second = std::max(flops_per_second, other.flops_per_second),
            .bf16_per_second = std::max(bf16_per_second, other.bf16_per_second),
            .integer_per_second = std::max(integer_per_second, other.integer_per_second),
            .flops_of = other.flops_of};
}

double Peaks::seconds_for_bytes(const Cost& cost) const { return static_cast<double>(cost.bytes) / bytes_per_second; }

double Peaks::seconds_for_flops(const Cost& cost, Arithmetic of) const {
    return static_cast<double>(cost.flops) / per_second(of);
}

double Peaks::per_second(Arithmetic of) const {
    const double own = of == Arithmetic::integers     ? integer_per_second
                       : of == Arithmetic::bf16_pairs ? bf16_per_second
                                                      : 0;
    return own > 0 ? own : flops_per_second;
}

Arithmetic arithmetic_of(const Graph& graph, const Node& node) {
    if (node.op == &kLinear) return Linear::arithmetic(types_of(graph, node.inputs));
    if (node.op == &kMatmul) return node.attributes.as<Matmul>().arithmetic(types_of(graph, node.inputs));
    return Arithmetic::floats;
}

Arithmetic arithmetic_of(const Graph& graph) {
    Arithmetic most = Arithmetic::floats;
    for (const Node& node : graph.nodes) most = std::max(most, arithmetic_of(graph, node));
    return most;
}

std::string peaks_text(const Peaks& peaks) {
    std::string text = fmt::format("reads {:.1f} GB/s, {:.0f} GFLOP/s ({})", peaks.bytes_per_second / 1e9,
                                   peaks.flops_per_second / 1e9, peaks.flops_of);
    if (peaks.bf16_per_second > 0) text += fmt::format(", {:.0f} of bf16", peaks.bf16_per_second / 1e9);
    if (peaks.integer_per_second > 0)
        text += fmt::format(", {:.0f} GOP/s of 8-bit numbers", peaks.integer_per_second / 1e9);
    return text;
}

Peaks measure_peaks(Backend& backend) {
    if (backend.is_host()) return peaks_of_cpu(static_cast<CpuBackend&>(backend));
    const DeviceLimits limits = measure_limits(backend);
    return {.bytes_per_second = limits.read_bytes_per_second,
            .flops_per_second = limits.gemm_flops_per_second,
            .flops_of = fmt::format("bf16 products of {} x {}", limits.gemm_size, limits.gemm_size)};
}

}  // namespace vitro
