// A matrix in fp8, each row with a scale of its own
#pragma once

#include "graph/builder.h"

#include <utility>

namespace vitro {

extern const OpDef kQuantizeRows;

/// scales[n] brings the largest magnitude of row n to 448, the largest f8e4m3 (1 for a row of zeros); rows[n, k] is
/// x[n, k] / scales[n], rounded. x: float [N, K]. rows: f8e4m3 [N, K]; scales: f32 [N].
struct QuantizedRows {
    Value rows, scales;
};
QuantizedRows quantize_rows(At at, Value x);

}  // namespace vitro
