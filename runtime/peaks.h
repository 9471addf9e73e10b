// What a device can do at most, measured on the spot: what a profile holds its steps against.
#pragma once

#include "backends/backend.h"
#include "graph/op_def.h"

#include <string>

namespace vitro {

struct Peaks {
    double bytes_per_second = 0;    // read, from memory that is in no cache
    double flops_per_second = 0;    // two for a multiply-add
    double integer_per_second = 0;  // the same of 8-bit numbers; 0 where it was not measured
    std::string flops_of;           // what was measured: "fp32 multiply-adds from registers"

    /// The least time that this work takes: for its bytes, for its operations.
    double seconds_for_bytes(const Cost& cost) const;
    double seconds_for_flops(const Cost& cost, bool of_integers) const;
};

/// Takes about half a second on a CPU; the best of several measurements.
Peaks measure_peaks(Backend& backend);

}  // namespace vitro
