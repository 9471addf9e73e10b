// Some rows of x
#pragma once

#include "graph/builder.h"

namespace vitro {

extern const OpDef kGatherRows;

/// out[r, …] = x[rows[r], …]. x: [T, ...], any dtype; rows: i32 [R], each in [0, T) (whoever fills the step checks
/// that). out: [R, ...], x's dtype.
Value gather_rows(At at, Value x, Value rows);

}  // namespace vitro
