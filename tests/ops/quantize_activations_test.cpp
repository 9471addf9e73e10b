#include "ops/quantize_activations/quantize_activations.h"

#include "base/rounded.h"
#include "ops/linear/linear.h"
#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace vitro::test {
namespace {

std::vector<Rounded32> blocks_of(const Data& data) {
    std::vector<Rounded32> out(data.memory.size() / sizeof(Rounded32));
    std::memcpy(out.data(), data.memory.data(), data.memory.size());
    return out;
}

TEST_CASE("quantize_activations of known numbers: the largest magnitude becomes 127, ties go to even") {
    std::vector<float> values(96);
    values[0] = -254;  // scale 2
    values[1] = 3;     // 1.5
    values[2] = 5;     // 2.5
    values[3] = -7;    // -3.5
    values[20] = 100;
    values[95] = 0x1p-101f;                // so small that it counts as zero
    for (const int threads : {0, 1, 2}) {  // 0: the reference
        CAPTURE(threads);
        const auto blocks = blocks_of(run_op(kQuantizeActivations, {floats({3, 32}, values)}, {}, threads)[0]);
        REQUIRE(blocks.size() == 3);
        CHECK(blocks[0].scale == 2);
        const int expected[] = {-127, 2, 2, -4};
        for (std::size_t i = 0; i < 4; ++i) CHECK(blocks[0].numbers[i] == expected[i]);
        CHECK(blocks[0].numbers[20] == 50);
        CHECK(blocks[0].sums[0] == -127);
        CHECK(blocks[0].sums[1] == 50);
        for (const std::size_t zeros : {std::size_t{1}, std::size_t{2}}) {
            CHECK(blocks[zeros].scale == 0);
            CHECK(blocks[zeros].numbers[31] == 0);
            CHECK(blocks[zeros].sums[1] == 0);
        }
    }
}

TEST_CASE("the kernel gives the reference's bytes, of numbers of any size") {
    Random random(1);
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
        std::vector<float> values(40 * 96);
        for (float& value : values)
            value = static_cast<float>(random.normal() * std::exp2(double(random.integer(-20, 3))));
        values[70] = std::numeric_limits<float>::quiet_NaN();
        values[700] = std::numeric_limits<float>::infinity();
        const Data x = data(dtype, {40, 96}, values);
        const auto expected = run_op(kQuantizeActivations, {x}, {}, 0)[0].memory;
        for (const int threads : {1, 3}) CHECK(run_op(kQuantizeActivations, {x}, {}, threads)[0].memory == expected);
        const auto blocks = blocks_of(run_op(kQuantizeActivations, {x}, {}, 1)[0]);
        for (std::size_t b = 0; b < blocks.size(); ++b) CHECK(std::isnan(blocks[b].scale) == (b == 2 || b == 21));
    }
}

TEST_CASE("rows are whole blocks of floats, and what reads them has blocks too") {
    CHECK(refusal(kQuantizeActivations, {{DType::f32, {2, 48}}}, {}) ==
          "x: expected rows of whole blocks of 32, found f32 [2, 48]");
    CHECK(refusal(kQuantizeActivations, {{DType::q8_0, {2, 64}}}, {}) ==
          "x: expected a float of rank 2, found q8_0 [2, 64]");
    const TensorType x{DType::q8_32, {2, 64}}, norm{DType::f32, {64}};
    CHECK(refusal(kLinear, {x, {DType::q4_1, {4, 64}}}, Linear{}) == "accepted");
    CHECK(refusal(kLinear, {x, {DType::bf16, {4, 64}}}, Linear{}) ==
          "x: expected a float type, since the weight is not block-quantized, found q8_32 [2, 64]");
    CHECK(refusal(kLinear, {x, {DType::q8_0, {4, 64}}, TensorType::none(), norm}, Linear{}) ==
          "x: expected a float type, since it is normalized, found q8_32 [2, 64]");
}

}  // namespace
}  // namespace vitro::test
