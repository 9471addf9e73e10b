// The emulation of CUDA is a separate shared library, libvitro_cuda_emulated.so, which a program loads only when it is
// asked for: most builds and most runs do not need it.
#pragma once

#include "backends/cuda/devices.h"
#include "backends/emulation/access_counts.h"
#include "backends/emulation/options.h"
#include "graph/op_def.h"

namespace vitro {

/// What the library provides: the functions of vitro::cuda_emulated and vitro::emulation with these names.
struct EmulatedCuda {
    const char* headers;  // VITRO_SHARED_HEADERS: a library that was built with others than the program is refused

    std::unique_ptr<Backend> (*make_backend)(int device);
    std::span<const KernelDef> (*kernels)();
    DeviceLimits (*measure_limits)(Backend& backend, std::size_t bytes, std::int64_t gemm_size);
    double (*seconds_of)(Backend& backend, const std::function<void()>& queue);
    emulation::Options& (*options)();
    bool (*accesses_are_checked)();
    std::vector<emulation::AccessCounts> (*take_access_counts)();
};

/// The first call loads the library from the folder of the program, or from the folder lib next to that folder. Error
/// when it is missing or belongs to another build.
const EmulatedCuda& emulated_cuda();

}  // namespace vitro
