#include "base/checked.h"

#include <doctest/doctest.h>

#include <limits>

namespace vitro {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kMostUnsigned = std::numeric_limits<std::uint64_t>::max();

TEST_CASE("products and sums that fit are given, others are not") {
    CHECK(checked_mul<std::int64_t>(1 << 30, 1 << 30) == std::int64_t{1} << 60);
    CHECK(checked_mul<std::int64_t>(kMost, 1) == kMost);
    CHECK(!checked_mul<std::int64_t>(kMost, 2).has_value());
    CHECK(!checked_mul<std::int64_t>(std::int64_t{1} << 32, std::int64_t{1} << 31).has_value());
    CHECK(!checked_mul<std::int64_t>(std::numeric_limits<std::int64_t>::min(), -1).has_value());
    CHECK(checked_mul<std::int64_t>(0, kMost) == 0);

    CHECK(checked_add<std::int64_t>(kMost - 1, 1) == kMost);
    CHECK(!checked_add<std::int64_t>(kMost, 1).has_value());
    CHECK(!checked_add<std::uint64_t>(kMostUnsigned, 1).has_value());
    CHECK(checked_add<std::uint64_t>(kMostUnsigned - 1, 1) == kMostUnsigned);
}

TEST_CASE("a capped product stops at 2^60, and a zero anywhere makes it zero") {
    CHECK(capped_product({}) == 1);
    CHECK(capped_product({2, 3, 7}) == 42);
    CHECK(capped_product({1 << 30, 1 << 29}) == std::int64_t{1} << 59);
    CHECK(capped_product({1 << 30, 1 << 30, 1 << 30}) == std::int64_t{1} << 60);
    CHECK(capped_product({kMost, kMost, 2, 0}) == 0);
}

TEST_CASE("round_up goes to the next multiple, and stays on one") {
    CHECK(round_up(0, 64) == 0);
    CHECK(round_up(1, 64) == 64);
    CHECK(round_up(64, 64) == 64);
    CHECK(round_up(65, 64) == 128);
}

}  // namespace
}  // namespace vitro
