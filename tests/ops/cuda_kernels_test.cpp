// Every CUDA kernel, run by the emulation.
#include "ops/cuda_kernels.h"

#include "backends/cuda/devices.h"
#include "ops/check/kernel_check.h"
#include "ops/op_list.h"

#include <doctest/doctest.h>

namespace vitro::check {

TEST_CASE("CUDA kernels agree with the reference, in every dtype and size, in the emulation") {
    const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
    for (const KernelDef& kernel : cuda_emulated::kernels()) {
        CAPTURE(kernel.op);
        const OpDef* op = find_op(kernel.op);
        REQUIRE(op != nullptr);
        const KernelReport report = check_kernel(*op, kernel, *backend, 1);
        CHECK(report.cases > 0);
        for (const std::string& complaint : report.complaints) FAIL_CHECK(complaint);
    }
}

}  // namespace vitro::check
