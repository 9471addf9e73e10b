// Products with blocks of weights by the CUDA kernels, in the emulation, at sizes of more than one round: beside the
// examples that every kernel is checked with.
#include "backends/cuda/devices.h"
#include "base/packed.h"
#include "ops/embed/embed.h"
#include "ops/linear/linear.h"
#include "ops/pack/pack.h"
#include "tests/ops/blocks.h"
#include "tests/ops/cuda_kernel.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace vitro::test {
namespace {

/// What the kernel makes of x [T, K], which begins `shift` elements behind where memory does.
std::vector<float> product(Backend& backend, const Data& x, const Data& weight, const Linear& linear,
                           const Data* residual, std::int64_t shift = 0) {
    std::vector<Buffer> buffers;
    const auto upload = [&](const Data& data, std::int64_t skip) {
        Tensor out = data.tensor();
        const auto offset = static_cast<std::size_t>(bytes_of(out.dtype, skip));
        buffers.push_back(backend.allocate(static_cast<std::size_t>(out.bytes()) + offset, "a test"));
        out.data = static_cast<std::byte*>(buffers.back().data()) + offset;
        backend.upload(out.data, data.memory.data(), data.memory.size());
        return out;
    };
    const Tensor none = Tensor::none();
    const Tensor inputs[] = {
        upload(x, shift), upload(weight, 0), none, none, none, residual == nullptr ? none : upload(*residual, 0)};
    const Data result({x.type.dtype, {x.tensor().dim(0), weight.tensor().dim(0) / (linear.gated ? 2 : 1)}});
    const Tensor out = upload(result, 0);
    const Attributes attributes = linear;
    Call call{inputs, {&out, 1}, attributes, backend};
    const std::size_t scratch = cuda_kernel("linear").scratch(call);
    if (scratch > 0) {
        buffers.push_back(backend.allocate(scratch, "a test"));
        call.scratch = {static_cast<std::byte*>(buffers.back().data()), scratch};
    }
    cuda_kernel("linear").run(call);
    backend.synchronize();
    backend.download(result.tensor().data, out.data, result.memory.size());
    return result.floats();
}

Data as(DType dtype, const Data& values) { return data(dtype, values.type.shape, values.floats()); }

/// So that the product of two of its products is within f16.
Data small(const Data& x) {
    std::vector<float> values = x.floats();
    for (float& value : values) value /= 64;
    return floats(x.type.shape, values);
}

Data packed_weight(const Data& blocks) { return run_op(kPack, {blocks}, Pack{packed(blocks.type.dtype)}, 1)[0]; }

Data first_rows(const Data& x, std::int64_t from, std::int64_t count) {
    const std::vector<float> all = x.floats();
    const std::int64_t width = x.tensor().dim(1);
    return data(x.type.dtype, {count, width}, {all.begin() + from * width, all.begin() + (from + count) * width});
}

TEST_CASE("products with packed blocks are the reference's, whatever the number of tokens, rounds and rows") {
    const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
    Random random(7);
    std::size_t types = 0;
    for (const DTypeInfo& type : kDTypes) {
        const std::int64_t k = block_columns(type.dtype) * (block_columns(type.dtype) == 32 ? 37 : 9);
        const TensorType x_type{DType::bf16, {1, k}}, absent = TensorType::none();
        if (type.storage != Storage::packed) continue;
        const std::vector<TensorType> inputs{x_type, {type.dtype, {32, k}}, absent, absent, absent, absent};
        const std::vector<TensorType> outputs{{DType::bf16, {1, 32}}};
        if (!cuda_kernel("linear").refuses(inputs, outputs, Linear{}).empty()) continue;
        ++types;
        CAPTURE(type.name);
        for (const bool gated : {false, true}) {
            const Linear linear{.activation = gated ? "silu" : "", .gated = gated};
            const std::int64_t n = gated ? 64 : 48;
            const Data weight = packed_weight(random_blocks(*type.packs, n, k, random));
            for (const DType dtype : {DType::bf16, DType::f16})
                for (const std::int64_t tokens : {1, 5, 8, 9, 16, 17}) {
                    CAPTURE(tokens);
                    const Data x = as(dtype, small(random_rows(tokens, k, random))),
                               residual = as(dtype, random_rows(tokens, gated ? n / 2 : n, random));
                    const auto expected =
                        run_op(kLinear, {x, weight, Data(absent), Data(absent), Data(absent), residual}, linear, 0)[0]
                            .floats();
                    // More tokens go through a matrix whose weights are rounded.
                    const double most = tokens > 16 ? 1e-4 : 1e-5;
                    CHECK(relative_error(expected, product(*backend, x, weight, linear, &residual)) < most);
                }
        }
    }
    CHECK(types == 8);
}

TEST_CASE("a row of a product with blocks does not depend on the rows beside it, nor on where memory begins") {
    const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
    Random random(8);
    for (const DType dtype : {DType::q4_0, DType::q4_k, DType::q6_k}) {
        CAPTURE(name(dtype));
        const std::int64_t k = 256 * 9, n = 32;
        const Data weight = packed_weight(random_blocks(dtype, n, k, random)),
                   x = as(DType::bf16, random_rows(16, k, random));
        const std::vector<float> all = product(*backend, x, weight, {}, nullptr);
        CHECK(product(*backend, x, weight, {}, nullptr, 1) == all);
        for (const std::int64_t row : {0, 7, 15})
            CHECK(product(*backend, first_rows(x, row, 1), weight, {}, nullptr) ==
                  std::vector<float>(all.begin() + row * n, all.begin() + (row + 1) * n));
        CHECK(product(*backend, first_rows(x, 0, 8), weight, {}, nullptr) ==
              std::vector<float>(all.begin(), all.begin() + 8 * n));
    }
}

TEST_CASE("what is not finite in a row of x stays in its row") {
    const std::unique_ptr<Backend> backend = cuda_emulated::make_backend();
    Random random(9);
    const std::int64_t k = 512, n = 32;
    Data x = as(DType::bf16, random_rows(3, k, random));
    const Data weight = packed_weight(random_blocks(DType::q4_k, n, k, random));
    const std::vector<float> before = product(*backend, x, weight, {}, nullptr);
    x.tensor().as<bf16>()[k + 5] = bf16(std::numeric_limits<float>::quiet_NaN());
    const std::vector<float> after = product(*backend, x, weight, {}, nullptr);
    for (std::int64_t i = 0; i < 3 * n; ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (i / n == 1)
            CHECK(std::isnan(after[at]));
        else
            CHECK(after[at] == before[at]);
    }
}

}  // namespace
}  // namespace vitro::test
