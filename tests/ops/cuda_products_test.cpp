// What CUDA kernels of products promise beside the right numbers, in the emulation.
#include "backends/cuda/devices.h"
#include "base/half.h"
#include "ops/cast/cast.h"
#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "tests/ops/cuda_kernel.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

namespace vitro::test {
namespace {

/// Device memory of a test.
class Memory {
public:
    explicit Memory(Backend& backend) : backend_(backend) {}

    Tensor tensor(DType dtype, std::initializer_list<std::int64_t> sizes) {
        Tensor out(dtype, std::span(sizes.begin(), sizes.size()), nullptr);
        out.data = buffers_.emplace_back(backend_.allocate(static_cast<std::size_t>(out.bytes()), "a test")).data();
        return out;
    }
    template <class T>
    Tensor tensor(DType dtype, std::initializer_list<std::int64_t> sizes, T value) {
        const Tensor out = tensor(dtype, sizes);
        const std::vector<T> values(static_cast<std::size_t>(out.elements()), value);
        backend_.upload(out.data, values.data(), static_cast<std::size_t>(out.bytes()));
        return out;
    }
    std::vector<float> floats(const Tensor& bf16_tensor) {
        std::vector<bf16> found(static_cast<std::size_t>(bf16_tensor.elements()));
        backend_.synchronize();
        backend_.download(found.data(), bf16_tensor.data, found.size() * sizeof(bf16));
        return {found.begin(), found.end()};
    }

private:
    Backend& backend_;
    std::vector<Buffer> buffers_;
};

TEST_CASE("products wait for the matrix that the kernel in front writes") {
    const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
    constexpr std::int64_t kN = 3, kK = 64;
    const std::pair<const char*, Attributes> products[] = {{"matmul", Matmul{.transpose_b = true}},
                                                           {"linear", Linear{}}};
    for (const auto& [op, attributes] : products) {
        CAPTURE(op);
        Memory memory(*backend);
        const Tensor ones = memory.tensor(DType::f32, {kN, kK}, 1.0f), b = memory.tensor(DType::bf16, {kN, kK}),
                     x = memory.tensor(DType::bf16, {1, kK}, bf16(0.5f)), out = memory.tensor(DType::bf16, {1, kN});
        const Attributes cast = Cast{.dtype = DType::bf16};
        const Tensor none = Tensor::none(), all[] = {x, b, none, none, none, none};
        cuda_kernel("cast").run({{&ones, 1}, {&b, 1}, cast, *backend});
        cuda_kernel(op).run(
            {std::span(all).first(std::string_view(op) == "linear" ? 6 : 2), {&out, 1}, attributes, *backend});
        CHECK(memory.floats(out) == std::vector<float>(kN, kK / 2));
    }
}

TEST_CASE("a linear with fp8 weights stays finite where activations are beyond f16") {
    const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
    constexpr std::int64_t kN = 8, kK = 64;
    Memory memory(*backend);
    const Tensor inputs[] = {memory.tensor(DType::bf16, {2, kK}, bf16(3e6f)),
                             memory.tensor(DType::f8e4m3, {kN, kK}, f8e4m3(0.5f)),
                             memory.tensor(DType::f32, {kN}, 1.0f),
                             Tensor::none(),
                             Tensor::none(),
                             Tensor::none()};
    const Tensor out = memory.tensor(DType::bf16, {2, kN});
    const Attributes linear = Linear{};
    cuda_kernel("linear").run({inputs, {&out, 1}, linear, *backend});
    for (const float value : memory.floats(out)) {
        CHECK(std::isfinite(value));
        CHECK(value > 0x1p20f);  // 16 * 65504 of each x at least
    }
}

}  // namespace
}  // namespace vitro::test
