#include "ops/gelu/gelu.h"

#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

#include <cmath>

namespace vitro::test {
namespace {

std::vector<float> gelu_of(const std::vector<float>& x, bool tanh) {
    return run_op(kGelu, {floats({std::ssize(x)}, x)}, Gelu{tanh}, 2)[0].floats();
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

}  // namespace
}  // namespace vitro::test
