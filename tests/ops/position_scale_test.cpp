#include "ops/position_scale/position_scale.h"

#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

#include <limits>

using namespace vitro;
using namespace vitro::test;

TEST_CASE("position_scale is 1 up to the original length, then 1 + beta * ln(2), ln(3), ... for each such length") {
    for (const int threads : {0, 1, 2}) {  // 0: the reference
        CAPTURE(threads);
        const auto found =
            run_op(kPositionScale, {ints({0, 15, 16, 31, 32, 160})}, PositionScale{0.5f, 16}, threads)[0].floats();
        const std::vector<double> expected{1, 1, 1.34657359, 1.34657359, 1.54930614, 2.19894764};
        REQUIRE(found.size() == expected.size());
        for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-6));
    }
}

TEST_CASE("position_scale refuses other types, and a length of nothing") {
    CHECK(refusal(kPositionScale, {{DType::f32, {'T'}}}, PositionScale{1, 16}) ==
          "positions: expected i32 of rank 1, found f32 [T]");
    CHECK(refusal(kPositionScale, {{DType::i32, {'T'}}}, PositionScale{1, 0}) ==
          "original: expected an integer in [1, 2147483647], found 0");
    CHECK(refusal(kPositionScale, {{DType::i32, {'T'}}}, PositionScale{1, 16}) == "accepted");
}
