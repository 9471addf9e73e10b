// The norm as a kernel of its own, for its op and for products of many rows.
#pragma once

#include "ops/common/elements_cuda.h"

namespace vitro::VITRO_DEVICE {

/// out [rows, n] = rms_norm(x [rows, n], weight [n]), a block a row; out may be x. `wide` as takes_wide() has it. The
/// kernel may start before the one in front has ended.
void launch_rms_norm(const Elements& x, const Elements& weight, const Elements& out, std::int64_t rows, int n,
                     float eps, bool wide, LaunchStream stream);

}  // namespace vitro::VITRO_DEVICE
