// A residual sum and the norm of it, in one walk over the rows
#pragma once

#include "ops/rms_norm/rms_norm.h"

namespace vitro {

extern const OpDef kAddRmsNorm;

struct AddRmsNormed {
    Value sum;     // x + y, x's type
    Value normed;  // rms_norm(sum, weight), x's type
};

/// x, y: floats [..., H] of one type; weight: floats [H]. The norm sees the sum as it is stored.
AddRmsNormed add_rms_norm(At at, Value x, Value y, Value weight, RmsNorm attributes);

}  // namespace vitro
