// Greedy choice
#pragma once

#include "graph/builder.h"

namespace vitro {

extern const OpDef kArgmax;

/// out[…] = the index of the largest x[…, :], the first of equal ones; NaN is larger than all else, and a row of
/// -inf gives 0. x: floats [..., V]. out: i32 [...].
Value argmax(At at, Value x);

}  // namespace vitro
