// What CUDA kernels of products promise beside the right numbers, in the emulation.
#include "backends/cuda/devices.h"
#include "base/half.h"
#include "ops/cast/cast.h"
#include "ops/cuda_kernels.h"
#include "ops/matmul/matmul.h"

#include <doctest/doctest.h>

#include <vector>

namespace vitro::test {
namespace {

const KernelDef& kernel_of(std::string_view op) {
    for (const KernelDef& kernel : cuda_emulated::kernels())
        if (kernel.op == op) return kernel;
    fail("no kernel for {}", op);
}

TEST_CASE("a matmul waits for the matrix that the kernel in front writes") {
    const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
    constexpr std::int64_t kN = 3, kK = 64;
    std::vector<Buffer> memory;
    const auto tensor = [&](DType dtype, std::int64_t rows, std::int64_t columns) {
        const std::int64_t sizes[] = {rows, columns};
        Tensor out(dtype, sizes, nullptr);
        out.data = memory.emplace_back(backend->allocate(static_cast<std::size_t>(out.bytes()), "a test")).data();
        return out;
    };
    const Tensor ones = tensor(DType::f32, kN, kK), x = tensor(DType::bf16, 1, kK), b = tensor(DType::bf16, kN, kK),
                 out = tensor(DType::bf16, 1, kN);
    const std::vector<float> host_ones(kN * kK, 1.0f);
    const std::vector<bf16> host_x(kK, bf16(0.5f));
    backend->upload(ones.data, host_ones.data(), host_ones.size() * sizeof(float));
    backend->upload(x.data, host_x.data(), host_x.size() * sizeof(bf16));

    const Attributes cast = Cast{.dtype = DType::bf16}, matmul = Matmul{.transpose_b = true};
    const Tensor both[] = {x, b};
    kernel_of("cast").run({{&ones, 1}, {&b, 1}, cast, *backend});
    kernel_of("matmul").run({both, {&out, 1}, matmul, *backend});
    backend->synchronize();
    std::vector<bf16> found(kN);
    backend->download(found.data(), out.data, found.size() * sizeof(bf16));
    for (const bf16 value : found) CHECK(float(value) == kK / 2);
}

}  // namespace
}  // namespace vitro::test
