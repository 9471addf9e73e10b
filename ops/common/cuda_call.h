// What every CUDA kernel's launcher needs of a call: the backend, device pointers, element types.
#pragma once

#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/floats.h"
#include "backends/cuda/launch.h"
#include "graph/op_def.h"

#include <algorithm>

namespace vitro::VITRO_DEVICE {

inline CudaBackend& backend_of(const Call& call) { return static_cast<CudaBackend&>(call.backend); }
inline LaunchStream stream_of(const Call& call) { return backend_of(call).stream(); }

}  // namespace vitro::VITRO_DEVICE
