#include "ops/layer_norm/layer_norm.h"
#include "ops/rms_norm/rms_norm.h"
#include "tests/ops/hand_call.h"

#include <doctest/doctest.h>

#include <cmath>

namespace vitro::testing {
namespace {

TEST_CASE("rms_norm divides by the root of the mean square plus eps") {
    // mean square of (3, 4, 0, 0, 0) is 5
    const HandTensor x(DType::f32, {2, 5}, {3, 4, 0, 0, 0, 1, 1, 1, 1, 1});
    const HandTensor weight(DType::f32, {5}, {1, 2, 1, 1, -1});
    const auto y = run_kernel(kRmsNormCpu, {x, weight}, HandTensor(DType::f32, {2, 5}), RmsNorm{0});
    CHECK(y[0] == doctest::Approx(3 / std::sqrt(5.0)).epsilon(1e-6));
    CHECK(y[1] == doctest::Approx(8 / std::sqrt(5.0)).epsilon(1e-6));
    CHECK(y[2] == 0.0f);
    CHECK(std::vector<float>(y.begin() + 5, y.end()) == std::vector<float>{1, 2, 1, 1, -1});

    const auto damped = run_kernel(kRmsNormCpu, {x, weight}, HandTensor(DType::f32, {2, 5}), RmsNorm{3});
    CHECK(damped[5] == 0.5f);
}

TEST_CASE("rms_norm of zeros is zero, not NaN") {
    const auto y = run_kernel(kRmsNormCpu, {HandTensor(DType::f32, {1, 3}), HandTensor(DType::f32, {3}, {1, 1, 1})},
                              HandTensor(DType::f32, {1, 3}, {7, 7, 7}), RmsNorm{1e-6f});
    CHECK(y == std::vector<float>{0, 0, 0});
}

TEST_CASE("rms_norm of bf16 rounds once, at the end") {
    // 3 / sqrt(5) * 1.015625 = 1.36260…, nearest 1.359375; rounded before the weight as well it would be 1.3671875.
    const HandTensor x(DType::bf16, {1, 5}, {3, 4, 0, 0, 0});
    const HandTensor weight(DType::bf16, {5}, {1.015625f, 1, 1, 1, 1});
    const auto y = run_kernel(kRmsNormCpu, {x, weight}, HandTensor(DType::bf16, {1, 5}), RmsNorm{0});
    CHECK(y[0] == 1.359375f);
}

TEST_CASE("layer_norm takes the mean off and divides by the biased standard deviation") {
    // mean 3, variance (4 + 1 + 0 + 1 + 4) / 5 = 2
    const HandTensor x(DType::f32, {1, 5}, {1, 2, 3, 4, 5}), ones(DType::f32, {5}, {1, 1, 1, 1, 2}),
        bias(DType::f16, {5}, {0, 0, 0.5f, 0, 10}), out(DType::f32, {1, 5});
    const auto y = run_kernel(kLayerNormCpu, {x, ones}, out, LayerNorm{0});
    const double step = 1 / std::sqrt(2.0);
    CHECK(y[0] == doctest::Approx(-2 * step).epsilon(1e-6));
    CHECK(y[2] == 0.0f);
    CHECK(y[4] == doctest::Approx(4 * step).epsilon(1e-6));
    const auto shifted = run_kernel(kLayerNormCpu, {x, ones, bias}, out, LayerNorm{0});
    CHECK(shifted[2] == 0.5f);
    CHECK(shifted[4] == doctest::Approx(10 + 4 * step).epsilon(1e-6));
}

TEST_CASE("layer_norm keeps a small variance far from zero") {
    // Squares minus the squared mean would lose all digits here.
    std::vector<float> x;
    for (int i = 0; i < 12; ++i) x.push_back(10000.0f + static_cast<float>(i % 2));
    const auto y = run_kernel(
        kLayerNormCpu, {HandTensor(DType::f32, {1, 12}, x), HandTensor(DType::f32, {12}, std::vector<float>(12, 1))},
        HandTensor(DType::f32, {1, 12}), LayerNorm{0});
    for (int i = 0; i < 12; ++i) CHECK(y[std::size_t(i)] == doctest::Approx(i % 2 ? 1 : -1).epsilon(1e-5));
}

}  // namespace
}  // namespace vitro::testing
