#include "ops/cuda_kernels.h"

#include "backends/cuda/cuda.h"

namespace vitro::VITRO_DEVICE {

extern const KernelDef kRmsNormCuda;

std::span<const KernelDef> kernels() {
    static const KernelDef all[] = {
        // clang-format off
        kRmsNormCuda,
        // clang-format on
    };
    return all;
}

}  // namespace vitro::VITRO_DEVICE
