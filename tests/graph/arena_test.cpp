#include "graph/arena.h"

#include "base/random.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace vitro {
namespace {

bool overlap(const Piece& a, const Piece& b) {
    return a.bytes > 0 && b.bytes > 0 && a.first <= b.last && b.first <= a.last && a.offset < b.offset + b.bytes &&
           b.offset < a.offset + a.bytes;
}

void check_packed(const std::vector<Piece>& pieces, std::size_t end) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        CHECK(pieces[i].offset + pieces[i].bytes <= std::max(end, pieces[i].offset));
        for (std::size_t j = 0; j < i; ++j) CHECK_FALSE(overlap(pieces[i], pieces[j]));
    }
    CHECK(end >= most_live_bytes(pieces));
}

}  // namespace

TEST_CASE("nothing, and pieces of no bytes, need no memory") {
    std::vector<Piece> none, empty{{0, 0, 5}, {0, 2, 3}};
    CHECK(pack(none) == 0);
    CHECK(pack(empty) == 0);
    CHECK(most_live_bytes(none) == 0);
}

TEST_CASE("pieces that are in use at different times share bytes, others do not") {
    std::vector<Piece> pieces{{64, 0, 1}, {128, 2, 3}, {64, 1, 2}, {32, 4, 9}};
    CHECK(most_live_bytes(pieces) == 192);
    const std::size_t end = pack(pieces);
    CHECK(end == 192);
    check_packed(pieces, end);
}

TEST_CASE("where the largest first is not the best, another order is found") {
    // Largest first leaves a gap of 2 between 3 and 5 that nothing fits into.
    std::vector<Piece> pieces{{5, 2, 4}, {3, 0, 2}, {3, 4, 6}, {4, 0, 1}, {4, 5, 6}, {2, 1, 5}};
    const std::size_t end = pack(pieces);
    check_packed(pieces, end);
    CHECK(end == most_live_bytes(pieces));
}

TEST_CASE("random pieces: sound, the same every time, and near the lower bound") {
    double over = 0, worst = 0;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        Random random(seed);
        std::vector<Piece> pieces;
        for (std::int64_t n = random.integer(1, 120); n > 0; --n) {
            const auto first = static_cast<std::int32_t>(random.integer(0, 100));
            pieces.push_back({64 * static_cast<std::size_t>(random.integer(0, 40)), first,
                              first + static_cast<std::int32_t>(random.integer(0, 12))});
        }
        std::vector<Piece> again = pieces;
        const std::size_t end = pack(pieces), bound = most_live_bytes(pieces);
        CHECK(pack(again) == end);
        for (std::size_t i = 0; i < pieces.size(); ++i) CHECK(pieces[i].offset == again[i].offset);
        check_packed(pieces, end);
        const double ratio = bound == 0 ? 1 : static_cast<double>(end) / static_cast<double>(bound);
        over += ratio / 300;
        worst = std::max(worst, ratio);
    }
    MESSAGE("end over lower bound: " << over << " on average, " << worst << " at worst");
    CHECK(over <= 1.05);
}

}  // namespace vitro
