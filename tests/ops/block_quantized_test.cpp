// What ops make of block-quantized weights. What the bytes of each type mean is tested in tests/base/blocks_test.cpp.
#include "base/blocks.h"
#include "base/packed.h"

#include "ops/cast/cast.h"
#include "ops/embed/embed.h"
#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "ops/pack/pack.h"
#include "ops/quantize_activations/quantize_activations.h"
#include "tests/ops/blocks.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace vitro::test {
namespace {

std::vector<float> values_of(const Data& blocks) {
    std::vector<float> out(std::size_t(blocks.tensor().elements()));
    dequantize(blocks.type.dtype, blocks.memory.data(), std::ssize(out), out.data());
    return out;
}

template <class Body>
void each_block_type(Body&& body) {
    for (const DTypeInfo& type : kDTypes) {
        if (!is_block_quantized(type.dtype)) continue;
        CAPTURE(type.name);
        body(type.dtype);
    }
}

std::vector<float> linear_of(const Data& x, const Data& weight, int threads, Linear attributes = {}) {
    return run_op(kLinear, {x, weight}, attributes, threads)[0].floats();
}

Data rounded(const Data& x) { return run_op(kQuantizeActivations, {x}, {}, 1)[0]; }

TEST_CASE("a product of floats with blocks is exact up to fp32") {
    Random random(1);
    each_block_type([&](DType dtype) {
        for (const auto [m, n, k] : {std::array{1, 1, 256}, std::array{5, 50, 512}, std::array{70, 101, 768}}) {
            const Data x = random_rows(m, k, random), weight = random_blocks(dtype, n, k, random);
            const std::vector<float> found = linear_of(x, weight, 2);
            CHECK(relative_error(linear_of(x, weight, 0), found) < 1e-11);
            CHECK(run_op(kMatmul, {x, weight}, Matmul{.transpose_b = true}, 2)[0].floats() == found);
        }
    });
}

TEST_CASE("a product of rounded activations with blocks is exact up to fp32, and near that of what was rounded") {
    Random random(2);
    each_block_type([&](DType dtype) {
        for (const auto [m, n, k] : {std::array{1, 1, 256}, std::array{5, 50, 512}, std::array{70, 101, 768}}) {
            const Data x = random_rows(m, k, random), weight = random_blocks(dtype, n, k, random);
            const std::vector<float> found = linear_of(rounded(x), weight, 2);
            CHECK(relative_error(linear_of(rounded(x), weight, 0), found) < 1e-11);
            if (m == 1) continue;  // one sum may happen to cancel
            const double error = relative_error(linear_of(x, weight, 0), found);
            CHECK(error < 1e-3);
            CHECK(error > 0);
        }
    });
}

TEST_CASE("the bits of a row of a product with blocks do not depend on other rows nor on threads") {
    Random random(3);
    each_block_type([&](DType dtype) {
        constexpr std::int64_t kRows = 67, kK = 512, kN = 37;
        const Data x = random_rows(kRows, kK, random), weight = random_blocks(dtype, kN, kK, random);
        const std::vector<float> values = x.floats();
        for (const bool rounds : {false, true}) {
            const auto product = [&](const Data& rows, int threads) {
                return linear_of(rounds ? rounded(rows) : rows, weight, threads);
            };
            const std::vector<float> together = product(x, 3);
            CHECK(together == product(x, 1));
            for (const std::int64_t row : {0, 3, 64, 66}) {
                const auto begin = values.begin() + row * kK;
                const Data alone = floats({1, kK}, std::vector<float>(begin, begin + kK));
                CHECK(product(alone, 1) ==
                      std::vector<float>(together.begin() + row * kN, together.begin() + (row + 1) * kN));
            }
        }
    });
}

TEST_CASE("packed weights give the bits that blocks give, for any number of rows and threads") {
    Random random(9);
    each_block_type([&](DType dtype) {
        constexpr std::int64_t kRows = 135, kK = 768, kN = 96;
        const Data x = random_rows(kRows, kK, random), weight = random_blocks(dtype, kN, kK, random);
        const Data packed_weight = run_op(kPack, {weight}, Pack{packed(dtype)}, 2)[0];
        const std::vector<float> values = x.floats();
        for (const bool is_gated : {false, true}) {
            const Linear linear{.activation = is_gated ? "silu" : "", .gated = is_gated};
            const std::int64_t n = is_gated ? kN / 2 : kN;
            const std::vector<float> expected = linear_of(rounded(x), weight, 1, linear);
            CHECK(linear_of(rounded(x), packed_weight, 3, linear) == expected);
            for (const std::int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 129}) {
                const Data some = floats({rows, kK}, std::vector<float>(values.begin(), values.begin() + rows * kK));
                CHECK(linear_of(rounded(some), packed_weight, 2, linear) ==
                      std::vector<float>(expected.begin(), expected.begin() + rows * n));
            }
        }
    });
}

TEST_CASE("gate and activation follow a product with blocks as any other") {
    Random random(4);
    const Data x = random_rows(3, 256, random), weight = random_blocks(DType::q4_0, 260, 256, random);
    const Linear gated{.activation = "silu", .gated = true};
    CHECK(relative_error(linear_of(x, weight, 0, gated), linear_of(x, weight, 2, gated)) < 1e-10);
    CHECK(relative_error(linear_of(rounded(x), weight, 0, gated), linear_of(rounded(x), weight, 2, gated)) < 1e-10);
}

TEST_CASE("a number that is none, or infinite, shows in the product with blocks") {
    Random random(5);
    for (const float odd : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        std::vector<float> values(512, 1.0f);
        values[300] = odd;
        const Data x = floats({2, 256}, values), weight = random_blocks(DType::q8_0, 4, 256, random);
        for (const Data& rows : {x, rounded(x)}) {
            const std::vector<float> out = linear_of(rows, weight, 1);
            for (int i = 0; i < 4; ++i) {
                CHECK(std::isfinite(out[std::size_t(i)]));
                CHECK_FALSE(std::isfinite(out[std::size_t(4 + i)]));
            }
        }
    }
}

TEST_CASE("embed and cast give the values of blocks") {
    Random random(6);
    each_block_type([&](DType dtype) {
        constexpr std::int64_t kRows = 5, kK = 512;
        const Data table = random_blocks(dtype, kRows, kK, random);
        const std::vector<float> values = values_of(table);
        for (const int threads : {0, 1, 3}) {
            CHECK(run_op(kCast, {table}, Cast{DType::f32}, threads)[0].floats() == values);
            const std::vector<float> rows = run_op(kEmbed, {ints({3, 0}), table}, Embed{}, threads)[0].floats();
            CHECK(std::equal(rows.begin(), rows.begin() + kK, values.begin() + 3 * kK));
            CHECK(std::equal(rows.begin() + kK, rows.end(), values.begin()));
        }
    });
}

TEST_CASE("rows of blocks are whole blocks") {
    const TensorType x{DType::f32, {2, 48}}, weight{DType::q8_0, {4, 48}};
    CHECK(refusal(kLinear, {x, weight}, Linear{}) ==
          "weight: expected blocks of rank 2, the last dimension a constant multiple of 32, found q8_0 [4, 48]");
    CHECK(refusal(kMatmul, {{DType::f32, {2, 64}}, {DType::q8_0, {64, 32}}}, Matmul{}) ==
          "b: expected blocks along the summed dimension, as transpose_b has them");
    CHECK(refusal(kEmbed, {{DType::i32, {2}}, weight}, Embed{}) ==
          "table: expected blocks of rank 2, the last dimension a constant multiple of 32, found q8_0 [4, 48]");
}

}  // namespace
}  // namespace vitro::test
