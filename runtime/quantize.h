// Weights in the forms that passes ask for instead of the checkpoint's.
#pragma once

#include "backends/cpu/cpu_backend.h"
#include "base/tensor.h"
#include "graph/graph.h"

namespace vitro {

/// Writes the elements of a checkpoint tensor [rows, k] (floats) in `form`, which is fp8_rows ([rows, k] f8e4m3) or
/// fp8_scales ([rows] f32), to host memory. The pool's threads share the rows.
void reform(const Tensor& tensor, WeightForm form, std::byte* to, ThreadPool& pool);

}  // namespace vitro
