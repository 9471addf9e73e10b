#include "backends/cpu/cpu_backend.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <stdexcept>
#include <vector>

using namespace vitro;

TEST_CASE("a loop covers every index once, whatever the threads and the grain") {
    for (const int threads : {1, 2, 3, 8}) {
        ThreadPool pool(threads);
        CHECK(pool.threads() == threads);
        for (const std::int64_t n : {0, 1, 7, 64, 1000}) {
            for (const std::int64_t grain : {1, 3, 64, 5000}) {
                std::vector<std::atomic<int>> seen(static_cast<std::size_t>(n));
                std::atomic<bool> in_range{true};
                pool.parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end, int thread) {
                    if (thread < 0 || thread >= threads || begin >= end || end > n) in_range = false;
                    for (std::int64_t i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
                });
                CHECK(in_range);
                for (const auto& count : seen) CHECK(count == 1);
            }
        }
    }
}

TEST_CASE("what a loop wrote is there when it returns, loop after loop") {
    ThreadPool pool(3);
    std::vector<std::int64_t> values(300);
    for (std::int64_t round = 1; round <= 2000; ++round) {
        pool.parallel_for(300, 7, [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t i = begin; i < end; ++i) values[static_cast<std::size_t>(i)] += i;
        });
        if (round % 500 == 0)
            CHECK(std::accumulate(values.begin(), values.end(), std::int64_t{0}) == round * 299 * 150);
    }
}

TEST_CASE("an exception in a loop reaches the caller, and the pool goes on") {
    ThreadPool pool(2);
    const auto fails = [&] {
        pool.parallel_for(100, 1, [](std::int64_t begin, std::int64_t, int) {
            if (begin == 42) throw std::runtime_error("at 42");
        });
    };
    for (int i = 0; i < 50; ++i) CHECK_THROWS_WITH_AS(fails(), "at 42", std::runtime_error);
    std::atomic<int> count{0};
    pool.parallel_for(100, 1,
                      [&](std::int64_t begin, std::int64_t end, int) { count += static_cast<int>(end - begin); });
    CHECK(count == 100);
}

TEST_CASE("memory is aligned and zero, and too much of it is an error that names what it was for") {
    CpuBackend backend(1);
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, std::size_t{1} << 22}) {
        const Buffer buffer = backend.allocate(bytes, "a test");
        CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % backend.alignment() == 0);
        CHECK(std::all_of(buffer.data(), buffer.data() + bytes, [](std::byte b) { return b == std::byte{0}; }));
    }
    CHECK_THROWS_WITH(backend.allocate(static_cast<std::size_t>(-1), "the KV cache"),
                      doctest::Contains("not enough memory for the KV cache"));
}
