#include "ops/layer_norm/layer_norm.h"
#include "ops/rms_norm/rms_norm.h"
#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

#include <cmath>

namespace vitro::test {
namespace {

TEST_CASE("rms_norm divides by the root of the mean square plus eps") {
    // mean square of (3, 4, 0, 0, 0) is 5
    const Data x = floats({2, 5}, {3, 4, 0, 0, 0, 1, 1, 1, 1, 1}), weight = floats({5}, {1, 2, 1, 1, -1});
    const auto y = run_op(kRmsNorm, {x, weight}, RmsNorm{0}, 2)[0].floats();
    CHECK(y[0] == doctest::Approx(3 / std::sqrt(5.0)).epsilon(1e-6));
    CHECK(y[1] == doctest::Approx(8 / std::sqrt(5.0)).epsilon(1e-6));
    CHECK(y[2] == 0.0f);
    CHECK(std::vector<float>(y.begin() + 5, y.end()) == std::vector<float>{1, 2, 1, 1, -1});

    const auto damped = run_op(kRmsNorm, {x, weight}, RmsNorm{3}, 2)[0].floats();
    CHECK(damped[5] == 0.5f);
}

TEST_CASE("rms_norm of zeros is zero, not NaN") {
    const auto y = run_op(kRmsNorm, {floats({1, 3}, {0, 0, 0}), floats({3}, {1, 1, 1})}, RmsNorm{1e-6f}, 2)[0].floats();
    CHECK(y == std::vector<float>{0, 0, 0});
}

TEST_CASE("rms_norm of bf16 rounds once, at the end") {
    // 3 / sqrt(5) * 1.015625 = 1.36260…, nearest 1.359375; rounded before the weight as well it would be 1.3671875.
    const Data x = data(DType::bf16, {1, 5}, {3, 4, 0, 0, 0}), weight = data(DType::bf16, {5}, {1.015625f, 1, 1, 1, 1});
    const auto y = run_op(kRmsNorm, {x, weight}, RmsNorm{0}, 2)[0].floats();
    CHECK(y[0] == 1.359375f);
}

TEST_CASE("layer_norm takes the mean off and divides by the biased standard deviation") {
    // mean 3, variance (4 + 1 + 0 + 1 + 4) / 5 = 2
    const Data x = floats({1, 5}, {1, 2, 3, 4, 5}), weight = floats({5}, {1, 1, 1, 1, 2});
    const Data bias = data(DType::f16, {5}, {0, 0, 0.5f, 0, 10});
    const auto y = run_op(kLayerNorm, {x, weight}, LayerNorm{0}, 2)[0].floats();
    const double step = 1 / std::sqrt(2.0);
    CHECK(y[0] == doctest::Approx(-2 * step).epsilon(1e-6));
    CHECK(y[2] == 0.0f);
    CHECK(y[4] == doctest::Approx(4 * step).epsilon(1e-6));
    const auto shifted = run_op(kLayerNorm, {x, weight, bias}, LayerNorm{0}, 2)[0].floats();
    CHECK(shifted[2] == 0.5f);
    CHECK(shifted[4] == doctest::Approx(10 + 4 * step).epsilon(1e-6));
}

TEST_CASE("layer_norm keeps a small variance far from zero") {
    // Squares minus the squared mean would lose all digits here.
    std::vector<float> x;
    for (int i = 0; i < 12; ++i) x.push_back(10000.0f + static_cast<float>(i % 2));
    const Data ones = floats({12}, std::vector<float>(12, 1));
    const auto y = run_op(kLayerNorm, {floats({1, 12}, x), ones}, LayerNorm{0}, 2)[0].floats();
    for (int i = 0; i < 12; ++i) CHECK(y[std::size_t(i)] == doctest::Approx(i % 2 ? 1 : -1).epsilon(1e-5));
}

}  // namespace
}  // namespace vitro::test
