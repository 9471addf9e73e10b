#include "ops/dequantize/dequantize.h"

#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

namespace vitro::test {
namespace {

TEST_CASE("dequantize refuses what has no blocks, and dimensions that no block divides") {
    CHECK(refusal(kDequantize, {{DType::f32, {3, 32}}}, {}) == "x: expected a type of blocks, found f32 [3, 32]");
    CHECK(refusal(kDequantize, {{DType::q8_0, {32, 33}}}, {}) ==
          "x: expected a last dimension that is a multiple of 32, found q8_0 [32, 33]");
    CHECK(refusal(kDequantize, {{DType::q4_k, {32, 128}}}, {}) ==
          "x: expected a last dimension that is a multiple of 256, found q4_k [32, 128]");
    CHECK(refusal(kDequantize, {{DType::q4_k, {3, 512}}}, {}) == "accepted");
}

}  // namespace
}  // namespace vitro::test
