#pragma once

#include "graph/op_def.h"

#include <span>

namespace vitro {

/// Runs the CUDA kernels of these ops in the emulation on calls as models make them, and prints what each asks of
/// memory. Error when this build cannot count, or when there is no such kernel.
void print_cuda_report(std::span<const OpDef* const> ops, bool json);

}  // namespace vitro
