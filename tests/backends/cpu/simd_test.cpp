#include "backends/cpu/simd.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <vector>

namespace vitro {
namespace {

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

TEST_CASE_TEMPLATE("loads and stores of eight lanes or fewer agree with scalar conversions", T, float, f16, bf16) {
    const std::vector<float> values = {1.0f / 3, -2.7f, 1e-7f, 65519.9f, -0.0f, INFINITY, 3.3e38f, NAN, 1.00390625f};
    for (std::int64_t n = 0; n <= 9; ++n) {
        std::vector<T> x, y(9, T(7.0f)), expected(9, T(7.0f));
        for (const float value : values) x.push_back(T(value));
        for (std::int64_t i = 0; i < n; ++i) expected[std::size_t(i)] = T(float(x[std::size_t(i)]));
        simd::each(n, [&](std::int64_t i, auto lanes) {
            simd::store(&y[std::size_t(i)], simd::load(&x[std::size_t(i)], lanes), lanes);
        });
        CHECK(std::memcmp(y.data(), expected.data(), 9 * sizeof(T)) == 0);
    }
    // Stores round as the scalar constructor does.
    T rounded[8];
    simd::store(rounded, simd::load(values.data()));
    for (int i = 0; i < 8; ++i) {
        const T scalar(values[std::size_t(i)]);
        CHECK(std::memcmp(&rounded[i], &scalar, sizeof(T)) == 0);
    }
}

TEST_CASE("lanes that are not touched read as the rest, and sums and maxima see all lanes") {
    const float x[] = {1, 2, 3};
    const simd::Floats v = simd::load(x, simd::First{3}, -5.0f);
    CHECK(v[2] == 3.0f);
    CHECK(v[3] == -5.0f);
    CHECK(simd::sum(v) == -19.0f);
    for (int lane = 0; lane < simd::kLanes; ++lane) {
        simd::Floats one = simd::broadcast(-1.0f);
        one[lane] = 9.0f;
        CHECK(simd::max(one) == 9.0f);
        CHECK(simd::sum(one) == 2.0f);
    }
}

}  // namespace
}  // namespace vitro
