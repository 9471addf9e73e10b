// CUDA for those who are compiled without it. vitro::cuda exists in builds with nvcc only, vitro::cuda_emulated in all.
#pragma once

#include "backends/backend.h"

#include <memory>

namespace vitro::cuda {
/// Device number `device`. Error when there is no driver or no such device.
std::unique_ptr<Backend> make_backend(int device = 0);
}  // namespace vitro::cuda

namespace vitro::cuda_emulated {
std::unique_ptr<Backend> make_backend(int device = 0);
}  // namespace vitro::cuda_emulated
