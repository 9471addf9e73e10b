// The emulation of CUDA is a shared library of its own, libvitro_cuda_emulated.so, that a program loads when somebody
// asks for it: most builds and most runs do without.
#pragma once

#include "backends/cuda/devices.h"
#include "backends/emulation/access_counts.h"
#include "backends/emulation/options.h"
#include "graph/op_def.h"

namespace vitro {

/// What the library gives: the functions of vitro::cuda_emulated and vitro::emulation that have these names.
struct EmulatedCuda {
    /// Sizes of what is shared with the program, for refusing a library that was built of other sources.
    static constexpr std::size_t kSizes[] = {sizeof(KernelDef),
                                             sizeof(OpDef),
                                             sizeof(Call),
                                             sizeof(Tensor),
                                             sizeof(DeviceLimits),
                                             sizeof(emulation::Options),
                                             sizeof(emulation::AccessCounts)};
    std::size_t sizes[std::size(kSizes)];

    std::unique_ptr<Backend> (*make_backend)(int device);
    std::span<const KernelDef> (*kernels)();
    DeviceLimits (*measure_limits)(Backend& backend, std::size_t bytes, std::int64_t gemm_size);
    double (*seconds_of)(Backend& backend, const std::function<void()>& queue);
    emulation::Options& (*options)();
    bool (*accesses_are_checked)();
    std::vector<emulation::AccessCounts> (*take_access_counts)();
};

/// Loads the library with the first call, from the folder of the program or the folder lib beside that one. Error when
/// it is not there, or not of this build.
const EmulatedCuda& emulated_cuda();

}  // namespace vitro
