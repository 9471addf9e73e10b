// The most memory that this process had at a time, as Linux counts it: its own pages and those of mapped files.
#pragma once

#include <optional>

namespace vitro {

/// Counts anew from now on.
void reset_peak_memory();
/// Bytes since then; nothing where /proc does not tell.
std::optional<double> peak_memory();

}  // namespace vitro
