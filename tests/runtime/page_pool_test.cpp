#include "runtime/page_pool.h"

#include "base/random.h"
#include "runtime/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <vector>

using namespace vitro;

namespace {

using Pages = std::vector<std::int32_t>;

Pages pages_of(const PagePool& pool, std::int64_t sequence) {
    const auto pages = pool.pages(sequence);
    return {pages.begin(), pages.end()};
}

/// A pool and what a device would hold in its pages: one number per token.
struct Cache {
    static constexpr std::int64_t kPages = 12, kPageSize = 4, kSequences = 5, kLongest = 17;
    PagePool pool{kPages, kPageSize, kSequences, (kLongest + kPageSize - 1) / kPageSize};
    std::vector<int> slots = std::vector<int>(kPages * kPageSize, -1);
    std::vector<std::vector<int>> sequences{kSequences};  // what each has to read
    int next = 0;

    /// Appends `count` tokens to each sequence; where the pool refuses, or `fails`, nothing may change.
    bool append(const std::vector<std::int64_t>& to, std::int64_t count, bool fails) {
        const std::vector<int> slots_before = slots;
        std::map<std::int64_t, Pages> pages_before;
        for (std::int64_t s = 0; s < kSequences; ++s) pages_before[s] = pages_of(pool, s);
        const std::int64_t free_before = pool.free_pages();
        try {
            for (const std::int64_t s : to) pool.reserve(s, size(s), size(s) + count);
            for (const PagePool::Copy copy : pool.copies())
                std::copy_n(slots.begin() + copy.from * kPageSize, kPageSize, slots.begin() + copy.to * kPageSize);
            if (fails) fail("a device that failed");
        } catch (const Error&) {
            pool.roll_back();
            for (std::int64_t s = 0; s < kSequences; ++s) CHECK(pages_of(pool, s) == pages_before[s]);
            CHECK(pool.free_pages() == free_before);
            return false;
        }
        for (const std::int64_t s : to)
            for (std::int64_t i = 0; i < count; ++i) {
                slot(s, size(s)) = next;
                sequences[static_cast<std::size_t>(s)].push_back(next++);
            }
        pool.commit();
        return true;
    }

    std::int64_t size(std::int64_t s) const { return std::ssize(sequences[static_cast<std::size_t>(s)]); }
    int& slot(std::int64_t s, std::int64_t position) {
        const std::int32_t page = pool.pages(s)[static_cast<std::size_t>(position / kPageSize)];
        return slots[static_cast<std::size_t>(page * kPageSize + position % kPageSize)];
    }
    /// Every sequence reads what it wrote, and the pages that are not free are those that sequences have.
    void check() {
        std::vector<bool> used(kPages);
        for (std::int64_t s = 0; s < kSequences; ++s) {
            for (std::int64_t i = 0; i < size(s); ++i)
                CHECK(slot(s, i) == sequences[static_cast<std::size_t>(s)][static_cast<std::size_t>(i)]);
            CHECK(std::ssize(pool.pages(s)) == (size(s) + kPageSize - 1) / kPageSize);
            for (const std::int32_t page : pool.pages(s)) used[static_cast<std::size_t>(page)] = true;
        }
        CHECK(pool.free_pages() == std::count(used.begin(), used.end(), false));
    }
};

}  // namespace

TEST_CASE("a sequence takes a page for every page_size tokens, and gives them back") {
    PagePool pool(4, 16, 2, 4);
    pool.reserve(0, 0, 17);
    CHECK(pool.copies().empty());
    pool.commit();
    CHECK(pool.pages(0).size() == 2);
    CHECK(pool.free_pages() == 2);
    pool.reserve(0, 17, 32);
    pool.commit();
    CHECK(pool.pages(0).size() == 2);
    pool.truncate(0, 16);
    CHECK(pool.pages(0).size() == 1);
    CHECK(pool.free_pages() == 3);
    pool.truncate(0, 0);
    CHECK(pool.free_pages() == 4);
}

TEST_CASE("a page that two sequences have is copied before one of them writes to it, a full one never") {
    PagePool pool(8, 16, 2, 4);
    pool.reserve(0, 0, 40);
    pool.commit();
    pool.share(0, 1, 40);
    CHECK(pages_of(pool, 1) == pages_of(pool, 0));
    CHECK(pool.free_pages() == 5);
    const std::int32_t third = pool.pages(0)[2];
    pool.reserve(1, 40, 41);
    REQUIRE(pool.copies().size() == 1);
    CHECK(pool.copies()[0].from == third);
    CHECK(pool.copies()[0].to == pool.pages(1)[2]);
    CHECK(pool.pages(1)[2] != third);
    pool.commit();
    CHECK(pool.free_pages() == 4);
    pool.reserve(0, 40, 41);  // alone on its page now
    CHECK(pool.copies().empty());
    pool.commit();
    pool.truncate(0, 0);
    CHECK(pool.free_pages() == 5);  // the two full pages are still the other's
    pool.truncate(1, 32);
    pool.reserve(1, 32, 33);
    CHECK(pool.copies().empty());
    pool.commit();
}

TEST_CASE("where no page is free the pool refuses, and rolling back leaves all as it was") {
    PagePool pool(3, 4, 2, 3);
    pool.reserve(0, 0, 8);
    pool.commit();
    pool.reserve(1, 0, 1);
    CHECK_THROWS_WITH_AS(pool.reserve(0, 8, 9), "the KV cache is full: all 3 pages of 4 tokens are in use",
                         ContextError);
    pool.roll_back();
    CHECK(pool.free_pages() == 1);
    CHECK(pool.pages(1).empty());
    CHECK(pool.pages(0).size() == 2);
}

TEST_CASE("whatever sequences do, each reads what it wrote, and no page is lost") {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        CAPTURE(seed);
        Cache cache;
        Random random(seed);
        int refused = 0, shared = 0;
        for (int i = 0; i < 150; ++i) {
            const std::int64_t s = random.integer(0, Cache::kSequences - 1);
            switch (random.integer(0, 4)) {
                case 0: {
                    const std::int64_t length = random.integer(0, cache.size(s));
                    cache.pool.truncate(s, length);
                    cache.sequences[static_cast<std::size_t>(s)].resize(static_cast<std::size_t>(length));
                    break;
                }
                case 1: {
                    const std::int64_t to = (s + random.integer(1, Cache::kSequences - 1)) % Cache::kSequences;
                    const std::int64_t length = random.integer(0, cache.size(s));
                    cache.pool.truncate(to, 0);
                    cache.pool.share(s, to, length);
                    const auto& source = cache.sequences[static_cast<std::size_t>(s)];
                    cache.sequences[static_cast<std::size_t>(to)].assign(source.begin(), source.begin() + length);
                    ++shared;
                    break;
                }
                default: {
                    std::vector<std::int64_t> to{s};
                    if (random.integer(0, 1) == 1) to.push_back((s + 1) % Cache::kSequences);
                    const std::int64_t count = random.integer(1, 6);
                    const bool fits = std::all_of(to.begin(), to.end(), [&](std::int64_t one) {
                        return cache.size(one) + count <= Cache::kLongest;
                    });
                    if (fits) refused += !cache.append(to, count, random.integer(0, 5) == 0);
                }
            }
            cache.check();
        }
        CHECK(refused > 0);
        CHECK(shared > 0);
    }
}
