// The kernel of linear, also for products with a matrix that is no weight.
#pragma once

#include "backends/cuda/cuda.h"
#include "graph/op_def.h"

namespace vitro::VITRO_DEVICE {

/// A call with linear's inputs, outputs and attributes.
void run_linear(const Call& call);

}  // namespace vitro::VITRO_DEVICE
