#include "ops/softcap/softcap.h"

#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

namespace vitro::test {
namespace {

TEST_CASE("softcap of known values: nearly x in the middle, cap at the ends") {
    for (const int threads : {0, 1, 2}) {  // 0: the reference
        CAPTURE(threads);
        const auto y = run_op(kSoftcap, {floats({5}, {-1e30f, -2, 0, 2, 1e30f})}, Softcap{2}, threads)[0].floats();
        CHECK(y[0] == -2);
        CHECK(y[1] == doctest::Approx(-1.52318831));  // 2 tanh(1)
        CHECK(y[2] == 0);
        CHECK(y[3] == doctest::Approx(1.52318831));
        CHECK(y[4] == 2);
    }
}

TEST_CASE("softcap refuses a cap that is none") {
    CHECK(refusal(kSoftcap, {{DType::f32, {3}}}, Softcap{0}) == "cap: expected a number above 0, found 0");
    CHECK(refusal(kSoftcap, {{DType::f32, {3}}}, Softcap{2}) == "accepted");
}

}  // namespace
}  // namespace vitro::test
