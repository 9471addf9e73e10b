// x + mask, where what is masked is -inf whatever x has there
#pragma once

#include "graph/builder.h"

#include <limits>

namespace vitro {

extern const OpDef kAddMask;

/// What stands in a mask for "takes no part".
inline constexpr float kMasked = -std::numeric_limits<float>::infinity();

/// out[…] = x[…] + mask[…], broadcast as numpy does, but -inf wherever the mask is: NaN in x, too, ends there. x, mask:
/// floats. out: x's dtype; the sum is fp32.
Value add_mask(At at, Value x, Value mask);

}  // namespace vitro
