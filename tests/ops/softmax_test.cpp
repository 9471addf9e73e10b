#include "ops/softmax/softmax.h"
#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace vitro::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

/// Kernel and reference must agree to 1e-6; gives the kernel's.
std::vector<float> softmax_of(std::vector<float> x, std::int64_t columns) {
    const auto rows = static_cast<std::int64_t>(x.size()) / columns;
    const std::vector<Data> in = {floats({rows, columns}, x)};
    const auto found = run_op(kSoftmax, in, {}, 2)[0].floats(), expected = run_op(kSoftmax, in, {}, 0)[0].floats();
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-6));
    return found;
}

TEST_CASE("softmax of known values") {
    // e / (1 + e) = 0.7310586
    const auto y = softmax_of({0, 1, -1, -1, 1000, 999}, 2);
    CHECK(y[0] == doctest::Approx(0.26894142).epsilon(1e-6));
    CHECK(y[1] == doctest::Approx(0.73105858).epsilon(1e-6));
    CHECK(y[2] == 0.5f);
    CHECK(y[4] == doctest::Approx(0.73105858).epsilon(1e-6));  // the maximum is taken off first
}

TEST_CASE("masked entries get exactly 0, whole masked rows are 0 and not NaN") {
    const auto y = softmax_of({-kInf, 3, -kInf, -kInf, -kInf, -kInf, 2, -kInf, 2}, 3);
    CHECK(y == std::vector<float>{0, 1, 0, 0, 0, 0, 0.5f, 0, 0.5f});
}

TEST_CASE("NaN and +inf make NaN of their row, also beside nothing but -inf, and of no other") {
    const std::vector<float> x{NAN, NAN, NAN, NAN, -kInf, -kInf, 1, 2, NAN, 1, kInf, 2, 0, 0, 0};
    for (const int threads : {0, 2}) {
        const auto y = run_op(kSoftmax, {floats({5, 3}, x)}, {}, threads)[0].floats();
        for (std::size_t i = 0; i < y.size(); ++i) CHECK(std::isnan(y[i]) == (i < 12));
    }
}

TEST_CASE("a row depends on itself alone: the same bits among others and at any place, also past the vector width") {
    std::vector<float> row;
    Random random(3);
    for (int i = 0; i < 21; ++i) row.push_back(5 * random.normal());
    const auto alone = softmax_of(row, 21);
    std::vector<float> three = row;
    for (int i = 0; i < 21; ++i) three.push_back(random.normal());
    three.insert(three.end(), row.begin(), row.end());
    const auto among = softmax_of(three, 21);
    CHECK(std::equal(alone.begin(), alone.end(), among.begin()));
    CHECK(std::equal(alone.begin(), alone.end(), among.begin() + 42));

    // Entries that are masked at the end change nothing: the sum has the same order.
    std::vector<float> longer = row;
    longer.resize(64, -kInf);
    const auto masked = softmax_of(longer, 64);
    CHECK(std::equal(alone.begin(), alone.end(), masked.begin()));
}

TEST_CASE("a sink takes its share of each row of its part, also where all else is masked") {
    // Sinks 0 and ln 3: e^0 / (e^0 + e^0) = 1/2, 1 / (1 + 1 + 3) = 1/5.
    const std::vector<Data> in{floats({2, 2, 2}, {0, -kInf, -kInf, -kInf, 0, 0, -kInf, 0}),
                               floats({2}, {0, std::log(3.0f)})};
    const std::vector<float> expected{0.5f, 0, 0, 0, 0.2f, 0.2f, 0, 0.25f};
    for (const int threads : {0, 1, 2}) {
        const auto y = run_op(kSoftmax, in, {}, threads)[0].floats();
        for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == doctest::Approx(expected[i]).epsilon(1e-6));
        const auto nan = run_op(kSoftmax, {in[0], floats({2}, {NAN, 0})}, {}, threads)[0].floats();
        for (std::size_t i = 0; i < nan.size(); ++i) CHECK(std::isnan(nan[i]) == (i < 4));
    }
    const TensorType x{DType::f32, {2, 3, 4}};
    CHECK(refusal(kSoftmax, {x, {DType::f32, {3}}}, {}) == "sink: expected a float [2], found f32 [3]");
}

TEST_CASE("rows sum to 1 in fp32") {
    std::vector<float> x;
    Random random(4);
    for (int i = 0; i < 4096; ++i) x.push_back(random.normal());
    double sum = 0;
    for (const float v : softmax_of(x, 4096)) sum += v;
    CHECK(sum == doctest::Approx(1).epsilon(1e-6));
}

}  // namespace
}  // namespace vitro::test
