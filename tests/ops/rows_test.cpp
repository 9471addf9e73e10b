// argmax, embed, gather_rows, cast and the activations on values written by hand.
#include "ops/argmax/argmax.h"
#include "ops/cast/cast.h"
#include "ops/embed/embed.h"
#include "ops/gather_rows/gather_rows.h"
#include "ops/relu/relu.h"
#include "ops/silu/silu.h"
#include "tests/ops/hand_call.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace vitro::testing {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> argmax_of(const std::vector<float>& x, std::int64_t columns) {
    const auto rows = static_cast<std::int64_t>(x.size()) / columns;
    const HandTensor in(DType::f32, {rows, columns}, x), out(DType::i32, {rows});
    const auto found = run_kernel(kArgmaxCpu, {in}, out);
    CHECK(found == run_reference(kArgmax, {in}, out));
    return found;
}

TEST_CASE("argmax takes the first of equal ones, also far apart") {
    std::vector<float> x(100, -1.0f);
    x[37] = x[38] = x[99] = 2.0f;
    CHECK(argmax_of(x, 100) == std::vector<float>{37});
    CHECK(argmax_of({0, -0.0f, 0, 1, 1, 0}, 3) == std::vector<float>{0, 0});
}

TEST_CASE("argmax of rows without a number above -inf is 0, and NaN is never the largest") {
    CHECK(argmax_of({NAN, -kInf, NAN, NAN, -kInf, -kInf, -kInf, -5, NAN}, 3) == std::vector<float>{0, 0, 1});
    CHECK(argmax_of({1, kInf, NAN}, 3) == std::vector<float>{1});
}

TEST_CASE("embed gives the rows of the table, gather_rows those of x, in any order and again") {
    const HandTensor table(DType::f16, {3, 2}, {0, 1, 10, 11, 20, 21}), ids(DType::i32, {4}, {2, 0, 2, 1});
    const std::vector<float> expected = {20, 21, 0, 1, 20, 21, 10, 11};
    CHECK(run_kernel(kEmbedCpu, {ids, table}, HandTensor(DType::f32, {4, 2}), Embed{DType::f32}) == expected);
    CHECK(run_kernel(kGatherRowsCpu, {table, ids}, HandTensor(DType::f16, {4, 2})) == expected);
}

TEST_CASE("cast rounds to nearest even") {
    // bf16 has 8 significant bits: 257 lies between 256 and 258, 259 between 258 and 260.
    const HandTensor x(DType::f32, {4}, {257, 259, -257, 3.4e38f});
    CHECK(run_kernel(kCastCpu, {x}, HandTensor(DType::bf16, {4}), Cast{DType::bf16}) ==
          std::vector<float>{256, 260, -256, kInf});
    const HandTensor i(DType::i32, {3}, {-7, 0, 65536});
    CHECK(run_kernel(kCastCpu, {i}, HandTensor(DType::f16, {3}), Cast{DType::f16}) == std::vector<float>{-7, 0, kInf});
}

TEST_CASE("silu and relu of known values") {
    const HandTensor x(DType::f32, {5}, {-200, -1, 0, 1, 200}), out(DType::f32, {5});
    const auto silu = run_kernel(kSiluCpu, {x}, out);
    CHECK(silu[0] == 0.0f);
    CHECK(silu[1] == doctest::Approx(-0.26894142).epsilon(1e-6));
    CHECK(silu[2] == 0.0f);
    CHECK(silu[3] == doctest::Approx(0.73105858).epsilon(1e-6));
    CHECK(silu[4] == 200.0f);
    CHECK(run_kernel(kReluCpu, {x}, out) == std::vector<float>{0, 0, 0, 1, 200});
    CHECK(std::isnan(run_kernel(kReluCpu, {HandTensor(DType::f32, {1}, {NAN})}, HandTensor(DType::f32, {1}))[0]));
}

}  // namespace
}  // namespace vitro::testing
