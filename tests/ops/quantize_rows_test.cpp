#include "ops/quantize_rows/quantize_rows.h"

#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

#include <cmath>

namespace vitro::test {
namespace {

TEST_CASE("quantize_rows of known rows: the largest magnitude becomes 448, zeros stay zeros") {
    for (const int threads : {0, 1, 2}) {  // 0: the reference
        CAPTURE(threads);
        const auto out =
            run_op(kQuantizeRows, {floats({3, 4}, {1, -2, 0.5f, 0, 0, 0, 0, 0, 896, 448, 2, -8})}, {}, threads);
        CHECK(out[0].floats() == std::vector<float>{224, -448, 112, 0, 0, 0, 0, 0, 448, 224, 1, -4});
        CHECK(out[1].floats() == std::vector<float>{2.0f / 448, 1, 2});
    }
}

TEST_CASE("rows times their scales are what they were, to a sixteenth") {
    constexpr std::int64_t kRows = 7, kWidth = 19;
    std::vector<float> weights(kRows * kWidth);
    Random random(3);
    for (float& weight : weights) weight = 0.01f * random.normal();
    for (const DType dtype : {DType::bf16, DType::f16, DType::f32}) {
        const Data x = data(dtype, {kRows, kWidth}, weights);
        const auto reference = run_op(kQuantizeRows, {x}, {}, 0);
        for (const int threads : {1, 3}) {
            const auto out = run_op(kQuantizeRows, {x}, {}, threads);
            CHECK(out[0].memory == reference[0].memory);
            CHECK(out[1].memory == reference[1].memory);
        }
        const std::vector<float> from = x.floats(), rows = reference[0].floats(), scales = reference[1].floats();
        for (std::size_t i = 0; i < from.size(); ++i) {
            const float scale = scales[i / kWidth];
            CHECK(std::abs(rows[i] * scale - from[i]) <= std::abs(from[i]) / 16 + scale * 0x1p-10f);
        }
    }
}

TEST_CASE("quantize_rows wants a matrix of floats") {
    CHECK(refusal(kQuantizeRows, {{DType::bf16, {4}}}, {}) == "x: expected a float of rank 2, found bf16 [4]");
    CHECK(refusal(kQuantizeRows, {{DType::f8e4m3, {4, 4}}}, {}) ==
          "x: expected a float of rank 2, found f8e4m3 [4, 4]");
    CHECK(refusal(kQuantizeRows, {{DType::bf16, {4, 4}}}, {}) == "accepted");
}

}  // namespace
}  // namespace vitro::test
