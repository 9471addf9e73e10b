// argmax, embed, gather_rows, cast and the activations on values written by hand.
#include "ops/argmax/argmax.h"
#include "ops/cast/cast.h"
#include "ops/embed/embed.h"
#include "ops/gather_rows/gather_rows.h"
#include "ops/relu/relu.h"
#include "ops/silu/silu.h"
#include "tests/ops/run_op.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace vitro::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> argmax_of(const std::vector<float>& x, std::int64_t columns) {
    const auto rows = static_cast<std::int64_t>(x.size()) / columns;
    const std::vector<Data> in = {floats({rows, columns}, x)};
    const auto found = run_op(kArgmax, in, {}, 2)[0].floats();
    CHECK(found == run_op(kArgmax, in, {}, 0)[0].floats());
    return found;
}

TEST_CASE("argmax takes the first of equal ones, also far apart") {
    std::vector<float> x(100, -1.0f);
    x[37] = x[38] = x[99] = 2.0f;
    CHECK(argmax_of(x, 100) == std::vector<float>{37});
    CHECK(argmax_of({0, -0.0f, 0, 1, 1, 0}, 3) == std::vector<float>{0, 0});
}

TEST_CASE("argmax of rows of -inf is 0, and NaN is larger than all else") {
    CHECK(argmax_of({-kInf, -kInf, -kInf, -kInf, -5, -kInf}, 3) == std::vector<float>{0, 1});
    CHECK(argmax_of({1, NAN, kInf, NAN, -kInf, NAN, -kInf, -kInf, NAN}, 3) == std::vector<float>{1, 0, 2});
    std::vector<float> row(100, 7.0f);
    row[63] = row[90] = NAN;
    CHECK(argmax_of(row, 100) == std::vector<float>{63});
}

TEST_CASE("embed gives the rows of the table, gather_rows those of x, in any order and again") {
    const Data table = data(DType::f16, {3, 2}, {0, 1, 10, 11, 20, 21}), ids = ints({2, 0, 2, 1});
    const std::vector<float> expected = {20, 21, 0, 1, 20, 21, 10, 11};
    CHECK(run_op(kEmbed, {ids, table}, Embed{DType::f32}, 2)[0].floats() == expected);
    CHECK(run_op(kGatherRows, {table, ids}, {}, 2)[0].floats() == expected);
}

TEST_CASE("cast rounds to nearest even") {
    // bf16 has 8 significant bits: 257 lies between 256 and 258, 259 between 258 and 260.
    const Data x = floats({4}, {257, 259, -257, 3.4e38f});
    CHECK(run_op(kCast, {x}, Cast{DType::bf16}, 2)[0].floats() == std::vector<float>{256, 260, -256, kInf});
    CHECK(run_op(kCast, {ints({-7, 0, 65536})}, Cast{DType::f16}, 2)[0].floats() == std::vector<float>{-7, 0, kInf});
}

TEST_CASE("silu and relu of known values") {
    const Data x = floats({5}, {-200, -1, 0, 1, 200});
    const auto silu = run_op(kSilu, {x}, {}, 2)[0].floats();
    CHECK(silu[0] == 0.0f);
    CHECK(silu[1] == doctest::Approx(-0.26894142).epsilon(1e-6));
    CHECK(silu[2] == 0.0f);
    CHECK(silu[3] == doctest::Approx(0.73105858).epsilon(1e-6));
    CHECK(silu[4] == 200.0f);
    CHECK(run_op(kRelu, {x}, {}, 2)[0].floats() == std::vector<float>{0, 0, 0, 1, 200});
    CHECK(std::isnan(run_op(kRelu, {floats({1}, {NAN})}, {}, 2)[0].floats()[0]));
}

}  // namespace
}  // namespace vitro::test
