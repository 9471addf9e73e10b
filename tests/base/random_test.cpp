#include "base/random.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

namespace vitro {
namespace {

TEST_CASE("numbers depend on seed and counter alone") {
    CHECK(random_bits(1, 2) == random_bits(1, 2));
    Random a(7), b(7), c(8);
    bool same_as_other_seed = true;
    for (int i = 0; i < 100; ++i) {
        const std::uint64_t bits = a.bits();
        CHECK(bits == b.bits());
        CHECK(bits == random_bits(7, static_cast<std::uint64_t>(i)));
        same_as_other_seed = same_as_other_seed && bits == c.bits();
    }
    CHECK(!same_as_other_seed);
}

TEST_CASE("neighbouring seeds and counters share no value") {
    std::set<std::uint64_t> seen;
    for (std::uint64_t seed = 0; seed < 100; ++seed)
        for (std::uint64_t counter = 0; counter < 100; ++counter) seen.insert(random_bits(seed, counter));
    CHECK(seen.size() == 10000);
}

TEST_CASE("uniform numbers fill [0, 1) evenly") {
    Random random(1);
    int bins[10] = {};
    for (int i = 0; i < 100000; ++i) {
        const float u = random.uniform();
        REQUIRE(u >= 0.0f);
        REQUIRE(u < 1.0f);
        ++bins[static_cast<int>(u * 10)];
    }
    for (const int bin : bins) CHECK(std::abs(bin - 10000) < 500);  // five standard deviations
}

TEST_CASE("integers take both ends and nothing outside") {
    Random random(2);
    std::set<std::int64_t> seen;
    for (int i = 0; i < 1000; ++i) seen.insert(random.integer(-2, 3));
    CHECK(seen == std::set<std::int64_t>{-2, -1, 0, 1, 2, 3});
    CHECK(random.integer(5, 5) == 5);
}

TEST_CASE("normal numbers have mean 0 and variance 1, and are finite") {
    Random random(3);
    double sum = 0, squares = 0;
    constexpr int kCount = 100000;
    for (int i = 0; i < kCount; ++i) {
        const double x = random.normal();
        REQUIRE(std::isfinite(x));
        sum += x;
        squares += x * x;
    }
    CHECK(std::abs(sum / kCount) < 0.02);
    CHECK(std::abs(squares / kCount - 1) < 0.03);
}

}  // namespace
}  // namespace vitro
