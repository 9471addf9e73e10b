// The ops of a mixture of experts: top_k, expert_linear, clamp.
#include "ops/clamp/clamp.h"
#include "ops/expert_linear/expert_linear.h"
#include "ops/top_k/top_k.h"
#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace vitro::test {
namespace {

TEST_CASE("top_k gives the largest in order, of equal ones the first, and NaN before all") {
    const std::vector<Data> in{floats({3, 5}, {1, 4, 2, 4, -1, 0, NAN, 7, NAN, 9, -3, -2, -5, -4, -6})};
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        const auto out = run_op(kTopK, in, TopK{3}, threads);
        CHECK(out[1].floats() == std::vector<float>{1, 3, 2, 1, 3, 4, 1, 0, 3});
        const auto values = out[0].floats();
        CHECK(values[0] == 4);
        CHECK(values[2] == 2);
        CHECK(std::isnan(values[3]));
        CHECK(std::isnan(values[4]));
        CHECK(std::vector<float>(values.begin() + 5, values.end()) == std::vector<float>{9, -2, -3, -4});
    }
    CHECK(refusal(kTopK, {{DType::f32, {2, 3}}}, TopK{4}) ==
          "x: expected rows of a constant number of elements, at least 4, found 3");
}

TEST_CASE("expert_linear multiplies each row with the matrices that it chose") {
    // Expert 0 doubles, expert 1 swaps, expert 2 sums.
    const Data weight = floats({3, 2, 2}, {2, 0, 0, 2, 0, 1, 1, 0, 1, 1, 1, 1}),
               bias = floats({3, 2}, {0, 0, 10, 20, 0, 0});
    const Data chosen = data(DType::i32, {2, 2}, {0, 1, 2, 0});
    for (const int threads : {0, 1, 2}) {
        CAPTURE(threads);
        const Data one_row = floats({2, 2}, {1, 2, 3, 4});
        CHECK(run_op(kExpertLinear, {one_row, weight, chosen}, {}, threads)[0].floats() ==
              std::vector<float>{2, 4, 2, 1, 7, 7, 6, 8});
        const Data row_each = floats({2, 2, 2}, {1, 2, 5, 6, 3, 4, 7, 8});
        CHECK(run_op(kExpertLinear, {row_each, weight, chosen, bias}, {}, threads)[0].floats() ==
              std::vector<float>{2, 4, 16, 25, 7, 7, 14, 16});
    }
}

TEST_CASE("NaN in a matrix that nobody chose is not seen, and a number that names no expert gives NaN") {
    const Data weight = floats({2, 1, 2}, {1, 1, NAN, 1}), x = floats({2, 2}, {1, 2, 3, 4});
    for (const int threads : {0, 1, 2}) {
        const Data none = data(DType::i32, {2, 1}, {0, 2}), negative = data(DType::i32, {2, 1}, {-1, 0});
        const auto past = run_op(kExpertLinear, {x, weight, none}, {}, threads)[0].floats();
        CHECK(past[0] == 3);
        CHECK(std::isnan(past[1]));
        const auto before = run_op(kExpertLinear, {x, weight, negative}, {}, threads)[0].floats();
        CHECK(std::isnan(before[0]));
        CHECK(before[1] == 7);
    }
}

TEST_CASE("a row of expert_linear has the same bits, however many others chose the same expert") {
    Random random(5);
    const auto draw = [&](Shape shape) {
        Data out({DType::f32, std::move(shape)});
        for (std::int64_t i = 0; i < out.tensor().elements(); ++i) out.tensor().as<float>()[i] = random.normal();
        return out;
    };
    const Data weight = draw({2, 19, 700}), many = draw({40, 700});
    Data one({DType::f32, {1, 700}});
    std::memcpy(one.memory.data(), many.memory.data() + 39 * 700 * sizeof(float), one.memory.size());
    const auto among =
        run_op(kExpertLinear, {many, weight, data(DType::i32, {40, 1}, std::vector<float>(40, 1))}, {}, 2);
    const auto alone = run_op(kExpertLinear, {one, weight, data(DType::i32, {1, 1}, {1})}, {}, 1)[0].floats();
    const auto all = among[0].floats();
    CHECK(std::equal(alone.begin(), alone.end(), all.end() - 19));
}

TEST_CASE("clamp holds what is outside and keeps NaN") {
    const std::vector<Data> in{floats({6}, {-9, -1, 0, 1, 9, NAN})};
    for (const int threads : {0, 1, 2}) {
        const auto y = run_op(kClamp, in, Clamp{-1, 2}, threads)[0].floats();
        CHECK(std::vector<float>(y.begin(), y.end() - 1) == std::vector<float>{-1, -1, 0, 1, 2});
        CHECK(std::isnan(y[5]));
        CHECK(run_op(kClamp, in, Clamp{.high = 0}, threads)[0].floats()[0] == -9);
    }
    CHECK(refusal(kClamp, {{DType::f32, {3}}}, Clamp{2, 1}) == "low: expected at most high (1), found 2");
}

}  // namespace
}  // namespace vitro::test
