#include "graph/difference.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace vitro::test {

TEST_CASE("no number on one side alone is an infinite error, however alike the rest is") {
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
    const auto between = [](std::vector<float> a, std::vector<float> b) {
        const std::int64_t size = std::ssize(a);
        return difference(Tensor(DType::f32, {&size, 1}, a.data()), Tensor(DType::f32, {&size, 1}, b.data()));
    };
    for (const auto& [a, b] : {std::pair{kNan, 1.0f}, {1.0f, kNan}, {kInf, 1.0f}, {1.0f, -kInf}, {kInf, -kInf}}) {
        const Difference found = between({2, a, 3}, {2, b, 3});
        CHECK(std::isinf(found.nmse));
        CHECK(found.where == 1);
        CHECK(parts(found, DType::f32, DType::bf16));
    }
    for (const float same : {kNan, kInf, -kInf}) CHECK(between({2, same, 3}, {2, same, 3}).nmse == 0);
}

}  // namespace vitro::test
