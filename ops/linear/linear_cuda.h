// The kernel of linear, also for products with a matrix that is no weight.
#pragma once

#include "backends/cuda/cuda.h"
#include "graph/op_def.h"

namespace vitro::VITRO_DEVICE {

/// `fixed_weights`: no kernel in front writes weight and norm_weight, so that they may be read before it has ended. That
/// is so in a linear: passes make it of weights only.
void run_linear(const Call& call, bool fixed_weights);

}  // namespace vitro::VITRO_DEVICE
