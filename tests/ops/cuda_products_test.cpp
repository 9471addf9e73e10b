// What CUDA kernels of products promise beside the right numbers, in the emulation.
#include "backends/cuda/devices.h"
#include "backends/emulation/access_counts.h"
#include "backends/emulation/options.h"
#include "base/half.h"
#include "base/random.h"
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
    template <class T>
    Tensor random(DType dtype, std::initializer_list<std::int64_t> sizes, float scale, Random& numbers) {
        const Tensor out = tensor(dtype, sizes);
        std::vector<T> values(static_cast<std::size_t>(out.elements()));
        for (T& value : values) value = T(scale * static_cast<float>(numbers.normal()));
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

TEST_CASE("a token's product is the same, bit for bit, whoever shares its step with up to 15 others") {
    const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
    constexpr std::int64_t kN = 640, kK = 592, kTokens = 16;  // 40 units of rows: five for each multiprocessor
    Memory memory(*backend);
    Random random(7);
    const Tensor x = memory.random<bf16>(DType::bf16, {kTokens, kK}, 1.0f, random),
                 norm = memory.random<bf16>(DType::bf16, {kK}, 1.0f, random),
                 scale = memory.random<float>(DType::f32, {kN}, 1.0f, random), none = Tensor::none();
    const Attributes linear = Linear{};
    for (const DType dtype : {DType::bf16, DType::f8e4m3}) {
        CAPTURE(name(dtype));
        const Tensor weight = dtype == DType::bf16 ? memory.random<bf16>(dtype, {kN, kK}, 0.1f, random)
                                                   : memory.random<f8e4m3>(dtype, {kN, kK}, 0.1f, random);
        const auto product = [&](std::int64_t first, std::int64_t tokens) {
            const std::int64_t sizes[] = {tokens, kK};
            const Tensor part(DType::bf16, sizes, x.as<bf16>() + first * kK),
                out = memory.tensor(DType::bf16, {tokens, kN});
            const Tensor inputs[] = {part, weight, dtype == DType::bf16 ? none : scale, norm, none, none};
            cuda_kernel("linear").run({inputs, {&out, 1}, linear, *backend});
            return memory.floats(out);
        };
        const std::vector<float> all = product(0, kTokens);
        for (const std::int64_t tokens : {1, 3, 8, 11}) {
            CAPTURE(tokens);
            const std::vector<float> some = product(kTokens - tokens, tokens);
            CHECK(std::equal(some.begin(), some.end(), all.end() - tokens * kN));
        }
    }
}

TEST_CASE("a product of up to 64 tokens is one kernel, which may start early: norm, fp8 weights and gate are within") {
    if (!emulation::accesses_are_checked()) return;
    const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
    constexpr std::int64_t kN = 64, kK = 64;
    Memory memory(*backend);
    const Tensor weight = memory.tensor(DType::f8e4m3, {kN, kK}, f8e4m3(0.5f)),
                 scale = memory.tensor(DType::f32, {kN}, 1.0f), norm = memory.tensor(DType::bf16, {kK}, bf16(1.0f)),
                 none = Tensor::none();
    const Attributes linear = Linear{.activation = "silu", .gated = true};
    const auto launches = [&](std::int64_t tokens) {
        const Tensor inputs[] = {memory.tensor(DType::bf16, {tokens, kK}, bf16(1.0f)), weight, scale, norm, none, none};
        const Tensor out = memory.tensor(DType::bf16, {tokens, kN / 2});
        const Buffer scratch =
            backend->allocate(cuda_kernel("linear").scratch({inputs, {&out, 1}, linear, *backend}), "a test");
        backend->synchronize();
        emulation::take_access_counts();
        emulation::options().count_accesses = true;
        cuda_kernel("linear").run({inputs,
                                   {&out, 1},
                                   linear,
                                   *backend,
                                   {static_cast<std::byte*>(scratch.data()), scratch.bytes()},
                                   {},
                                   0b1110});
        backend->synchronize();
        emulation::options().count_accesses = false;
        std::int64_t count = 0;
        for (const emulation::AccessCounts& kernel : emulation::take_access_counts()) {
            count += kernel.launches;
            CHECK(kernel.size.programmatic);
        }
        for (const float value : memory.floats(out)) CHECK(value == doctest::Approx(32.0f * 32.0f));
        return count;
    };
    for (const std::int64_t tokens : {1, 16, 17, 40, 64}) CHECK(launches(tokens) == 1);
    CHECK(launches(65) == 3);  // the norm, the weights as bf16, and what a Gemm, which is not counted, leaves
}

}  // namespace
}  // namespace vitro::test
