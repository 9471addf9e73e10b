// What a device can do at most, measured on the spot: what a profile holds its steps against.
#pragma once

#include "backends/backend.h"
#include "graph/graph.h"
#include "ops/matmul/arithmetic.h"

#include <string>

namespace vitro {

/// Of a node, as its op says.
Arithmetic arithmetic_of(const Graph& graph, const Node& node);
/// Of most of a step's work.
Arithmetic arithmetic_of(const Graph& graph);

struct Peaks {
    double bytes_per_second = 0;    // read, from memory that is in no cache
    double flops_per_second = 0;    // two for a multiply-add
    double bf16_per_second = 0;     // the same of products of bf16, if the CPU has some of its own; else 0
    double integer_per_second = 0;  // the same of 8-bit numbers; 0 where it was not measured
    std::string flops_of;           // what was measured: "fp32 multiply-adds from registers"

    /// The better of each; flops_of is the other's.
    Peaks or_better(const Peaks& other) const;

    /// The least time that this work takes: for its bytes, for its operations.
    double seconds_for_bytes(const Cost& cost) const;
    double seconds_for_flops(const Cost& cost, Arithmetic of) const;
    /// The peak of such products, that of fp32 where it has none of its own.
    double per_second(Arithmetic of) const;
};

/// "reads 50.0 GB/s, 500 GFLOP/s (fp32 multiply-adds from registers), …"
std::string peaks_text(const Peaks& peaks);

/// Takes about half a second on a CPU; the best of several measurements.
Peaks measure_peaks(Backend& backend);

}  // namespace vitro
