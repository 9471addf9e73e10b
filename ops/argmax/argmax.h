// Greedy choice
#pragma once

#include "graph/builder.h"

namespace vitro {

extern const OpDef kArgmax;

/// out[…] = the index of the largest x[…, :], the first of equal ones; NaN never is the largest, and a row without a
/// number above -inf gives 0. x: floats [..., V]. out: i32 [...].
Value argmax(At at, Value x);

}  // namespace vitro
