// The kernels for CUDA. vitro::cuda exists in builds with nvcc only, vitro::cuda_emulated, the same kernels run on the
// CPU, in all.
#pragma once

#include "graph/op_def.h"

#include <span>

namespace vitro::cuda {
std::span<const KernelDef> kernels();
}  // namespace vitro::cuda

namespace vitro::cuda_emulated {
std::span<const KernelDef> kernels();
}  // namespace vitro::cuda_emulated
