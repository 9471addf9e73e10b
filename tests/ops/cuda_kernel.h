// The kernels that the tests of CUDA run in the emulation.
#pragma once

#include "base/error.h"
#include "ops/cuda_kernels.h"

#include <string_view>

namespace vitro::test {

inline const KernelDef& cuda_kernel(std::string_view op) {
    for (const KernelDef& kernel : cuda_emulated::kernels())
        if (kernel.op == op) return kernel;
    fail("no kernel for {}", op);
}

}  // namespace vitro::test
