// Every CUDA kernel, run by the emulation.
#include "ops/cuda_kernels.h"

#include "backends/cuda/devices.h"
#include "backends/emulation/options.h"
#include "ops/check/kernel_check.h"
#include "ops/op_list.h"

#include <doctest/doctest.h>

namespace vitro::check {

namespace {

void check_on(Backend& backend, const KernelDef& kernel) {
    CAPTURE(kernel.op);
    const OpDef* op = find_op(kernel.op);
    REQUIRE(op != nullptr);
    const KernelReport report = check_kernel(*op, kernel, backend, 1);
    CHECK(report.cases > 0);
    for (const std::string& complaint : report.complaints) FAIL_CHECK(complaint);
}

/// Options for the length of a test.
struct WithSharedBytes {
    explicit WithSharedBytes(std::size_t bytes) { emulation::options().shared_bytes = bytes; }
    ~WithSharedBytes() { emulation::options().shared_bytes = emulation::Options().shared_bytes; }
};

}  // namespace

TEST_CASE("CUDA kernels agree with the reference, in every dtype and size, in the emulation") {
    const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
    for (const KernelDef& kernel : cuda_emulated::kernels()) check_on(*backend, kernel);
}

TEST_CASE("products and attention run on devices whose blocks have less shared memory, as sm_89 and before sm_80") {
    for (const std::size_t kib : {99, 48}) {
        CAPTURE(kib);
        const WithSharedBytes less(kib * 1024);
        const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
        for (const KernelDef& kernel : cuda_emulated::kernels())
            if (kernel.op == "attention" || kernel.op == "linear") check_on(*backend, kernel);
    }
}

}  // namespace vitro::check
