#include "ops/gelu/gelu.h"

#include "backends/cpu/simd.h"
#include "tests/ops/hand_call.h"

#include <doctest/doctest.h>

#include <cmath>

namespace vitro::testing {
namespace {

std::vector<float> gelu_of(const std::vector<float>& x, bool tanh) {
    const auto n = static_cast<std::int64_t>(x.size());
    return run_kernel(kGeluCpu, {HandTensor(DType::f32, {n}, x)}, HandTensor(DType::f32, {n}), Gelu{tanh});
}

// Values of x Φ(x) and of the tanh formula, computed with 30 digits.
const std::vector<float> kX = {-5, -2, -1, -0.5f, 0, 0.5f, 1, 2, 5};
const std::vector<double> kErf = {-1.43325786e-6, -0.0455002639, -0.158655254, -0.154268770, 0,
                                  0.345731231,    0.841344746,   1.95449974,   4.99999857};
const std::vector<double> kTanh = {-2.29179620e-7, -0.0454023059, -0.158808009, -0.154285988, 0,
                                   0.345714012,    0.841191991,   1.95459769,   4.99999977};

TEST_CASE("gelu of known values: erf and tanh are not the same function") {
    const auto erf = gelu_of(kX, false), tanh = gelu_of(kX, true);
    for (std::size_t i = 0; i < kX.size(); ++i) {
        CAPTURE(kX[i]);
        CHECK(std::abs(erf[i] - kErf[i]) <= 2e-6 * std::abs(kErf[i]));
        CHECK(std::abs(tanh[i] - kTanh[i]) <= 2e-5 * std::abs(kTanh[i]));
    }
}

TEST_CASE("gelu is x for large x and 0 for very negative ones") {
    for (const bool tanh : {false, true}) {
        const auto y = gelu_of({20, 1e4f, 1e30f, -20, -1e4f, -1e30f}, tanh);
        CHECK(y == std::vector<float>{20, 1e4f, 1e30f, 0, 0, 0});
    }
}

TEST_CASE("exp on lanes keeps its stated error, over the whole range and at its ends") {
    const auto exp_of = [](float x) { return simd::exp(simd::broadcast(x))[0]; };
    double worst = 0;
    for (float x = -87.3f; x < 88.7f; x += 0.00137f) {
        const double expected = std::exp(double(x));
        worst = std::max(worst, std::abs(exp_of(x) - expected) / std::ldexp(1.0, std::ilogb(expected) - 23));
    }
    CHECK(worst < 1.4);
    CHECK(exp_of(0) == 1.0f);
    CHECK(exp_of(-INFINITY) == 0.0f);
    CHECK(exp_of(-105) == 0.0f);
    CHECK(exp_of(-100) == doctest::Approx(std::exp(-100.0)).epsilon(0.03));  // denormal
    CHECK(exp_of(89) == INFINITY);
    CHECK(exp_of(INFINITY) == INFINITY);
    CHECK(std::isnan(exp_of(NAN)));
}

TEST_CASE("erfc on lanes keeps its stated error") {
    for (float z = 0; z < 9; z += 0.0113f) {
        const double expected = std::erfc(double(z));
        CAPTURE(z);
        CHECK(std::abs(simd::erfc(simd::broadcast(z))[0] - expected) <= (5e-7 + 5e-8 * z * z) * expected);
    }
    CHECK(simd::erfc(simd::broadcast(11.0f))[0] == 0.0f);
}

}  // namespace
}  // namespace vitro::testing
