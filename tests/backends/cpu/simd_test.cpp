#include "backends/cpu/simd_integer.h"

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

TEST_CASE_TEMPLATE("loads and stores of all lanes or fewer agree with scalar conversions", T, float, f16, bf16) {
    std::vector<float> values = {1.0f / 3, -2.7f, 1e-7f, 65519.9f, -0.0f, INFINITY, 3.3e38f, NAN, 1.00390625f};
    values.insert(values.end(), {-1.0f / 7, 2e-40f, -65520.0f, 448.0f, -INFINITY, 1e9f, 0.5f, -3e-8f});
    for (std::int64_t n = 0; n <= 17; ++n) {
        std::vector<T> x, y(17, T(7.0f)), expected(17, T(7.0f));
        for (const float value : values) x.push_back(T(value));
        for (std::int64_t i = 0; i < n; ++i) expected[std::size_t(i)] = T(float(x[std::size_t(i)]));
        simd::each(n, [&](std::int64_t i, auto lanes) {
            simd::store(&y[std::size_t(i)], simd::load(&x[std::size_t(i)], lanes), lanes);
        });
        CHECK(std::memcmp(y.data(), expected.data(), 17 * sizeof(T)) == 0);
    }
    // Stores round as the scalar constructor does.
    T rounded[simd::kLanes];
    simd::store(rounded, simd::load(values.data()));
    for (int i = 0; i < simd::kLanes; ++i) {
        const T scalar(values[std::size_t(i)]);
        CHECK(std::memcmp(&rounded[i], &scalar, sizeof(T)) == 0);
    }
}

TEST_CASE("lanes that are not touched read as the rest, and sums and maxima see all lanes") {
    const float x[] = {1, 2, 3};
    const simd::Floats v = simd::load(x, simd::First{3}, -5.0f);
    CHECK(v[2] == 3.0f);
    CHECK(v[3] == -5.0f);
    CHECK(simd::sum(v) == 6.0f - 5.0f * static_cast<float>(simd::kLanes - 3));
    for (int lane = 0; lane < simd::kLanes; ++lane) {
        simd::Floats one = simd::broadcast(-1.0f);
        one[lane] = 9.0f;
        CHECK(simd::max(one) == 9.0f);
        CHECK(simd::sum(one) == 10.0f - static_cast<float>(simd::kLanes));
    }
}

TEST_CASE("four sums at once are the sums of each, bit for bit") {
    simd::Floats v[4];
    for (int i = 0; i < 4; ++i)
        for (int lane = 0; lane < simd::kLanes; ++lane)
            v[i][lane] = std::sin(float(100 * i + lane)) * std::exp(float(lane));
    const simd::Floats4 all = simd::sums(v[0], v[1], v[2], v[3]);
    for (int i = 0; i < 4; ++i) CHECK(all[i] == simd::sum(v[i]));
}

TEST_CASE("a square of lanes is turned: rows become columns") {
    simd::Floats rows[simd::kLanes];
    for (int r = 0; r < simd::kLanes; ++r)
        for (int c = 0; c < simd::kLanes; ++c) rows[r][c] = static_cast<float>(100 * r + c);
    simd::transpose(rows);
    for (int r = 0; r < simd::kLanes; ++r)
        for (int c = 0; c < simd::kLanes; ++c) CHECK(rows[r][c] == static_cast<float>(100 * c + r));
}

TEST_CASE_TEMPLATE_DEFINE("integer sums of products are exact at the ends of their ranges", Kind, integer_sums) {
    constexpr simd::CodeKind kind = Kind::value;
    const int least = kind == simd::CodeKind::any ? (VITRO_HAS_VNNI ? 0 : -128) : 0;
    const int most = kind == simd::CodeKind::any        ? (VITRO_HAS_VNNI ? 255 : 127)
                     : kind == simd::CodeKind::up_to_15 ? 15
                     : kind == simd::CodeKind::up_to_31 ? 31
                                                        : 63;
    for (const int code : {least, most})
        for (const int x : {-127, 127}) {
            simd::Bytes w, four;
            for (int i = 0; i < 4 * simd::kLanes; ++i) {
                w[i] = static_cast<std::uint8_t>(code);
                four[i] = static_cast<std::uint8_t>(x);
            }
            simd::DotSum<kind> sum;
            sum.start(simd::Ints{} + 5);
            constexpr int kSteps = simd::DotSum<kind>::kSteps;
            for (int step = 0; step < 8; ++step) {
                sum.add(w, simd::DotSum<kind>::magnitude_of(w), four, step % kSteps == 0);
                if (step % kSteps == kSteps - 1) sum.flush();
            }
            for (int lane = 0; lane < simd::kLanes; ++lane) CHECK(sum.total()[lane] == 5 + 32 * code * x);
        }
}
template <simd::CodeKind kind>
using KindOf = std::integral_constant<simd::CodeKind, kind>;
TEST_CASE_TEMPLATE_INVOKE(integer_sums, KindOf<simd::CodeKind::up_to_15>, KindOf<simd::CodeKind::up_to_31>,
                          KindOf<simd::CodeKind::up_to_63>, KindOf<simd::CodeKind::any>);

}  // namespace
}  // namespace vitro
