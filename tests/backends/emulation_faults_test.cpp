// The emulation of CUDA finds each kind of mistake.
#include "tests/backends/emulated_device.h"
#include "tests/backends/emulation_kernels.h"

#include <doctest/doctest.h>

#ifdef __SANITIZE_ADDRESS__
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#endif

using namespace vitro;
using namespace vitro::cuda_emulated;

TEST_CASE("emulation: planted barrier and warp mistakes") {
    const DeviceArray<int> out{std::vector<int>(64)};
    CHECK_HAS(fault_of(half_the_block_waits, {.name = "half", .grid = 2, .block = 64}), "divergent barrier");
    CHECK_HAS(fault_of(waits_at_two_places, {.name = "two_places", .grid = 1, .block = 64}), "divergent barrier");
    const std::string ends = fault_of(ends_before_the_barrier, {.name = "ends", .grid = 1, .block = 64});
    CHECK_HAS(ends, "kernel ends, block (0, 0, 0), thread (0, 0, 0): waits forever at __syncthreads");
    CHECK_HAS(ends, "threads 7-7 ended");
    CHECK_HAS(ends, "emulation_kernels.cu:");
    const Launch warp{.name = "warp", .grid = 1, .block = 32};
    CHECK_HAS(fault_of(lane_misses_the_shuffle, warp, out.data()), "mismatched warp operation");
    CHECK_HAS(fault_of(lanes_disagree_on_the_mask, warp, out.data()), "mismatched warp operation");
    CHECK_HAS(fault_of(lanes_disagree_on_the_operation, warp, out.data()), "mismatched warp operation");
    CHECK_HAS(fault_of(shuffles_from_outside_the_mask, warp, out.data()), "lane that is not in the mask");
    // A fault leaves the device usable.
    launch(shuffle_kinds, warp, DeviceArray<int>{std::vector<int>(160)}.data());
    CHECK(fault_of_queued() == "");
}

TEST_CASE("emulation: planted mistakes in shared memory") {
    const DeviceArray<float> out{std::vector<float>(256)}, x{random_values(256, 4)};
    if (!accesses_checked()) return;
    const Launch one{.name = "one", .grid = 1, .block = 32}, two{.name = "two", .grid = 1, .block = 64};
    CHECK_HAS(fault_of(reads_unwritten, one, out.data()),
              "byte 124 of shared array \"values\" (128 bytes), which nothing has written");
    CHECK_HAS(fault_of(reads_what_another_wrote, two, out.data()), "race");
    CHECK_HAS(fault_of(overwrites_what_another_reads, two, out.data()), "race");
    CHECK_HAS(fault_of(reads_without_sync_warp, one, out.data()), "race");
    CHECK_HAS(fault_of(barrier_of_the_wrong_warps, {.name = "three", .grid = 1, .block = 96}, out.data()), "race");
    CHECK_HAS(fault_of(shared_past_the_end, one, out.data()), "shared array \"few\" (128 bytes): out of bounds");
    CHECK_HAS(fault_of(dynamic_past_the_end, {.name = "dynamic", .grid = 1, .block = 32, .shared_bytes = 400},
                       out.data(), 100),
              "byte 400 of dynamic shared memory (400 bytes): out of bounds");
    CHECK_HAS(fault_of(misses_copy_wait, one, x.data(), out.data()), "missing cp_async_wait");
    CHECK(fault_of(misses_copy_wait_once, one, x.data(), out.data(), 1) == "");
    CHECK_HAS(fault_of(misses_copy_wait_once, one, x.data(), out.data(), 2), "missing cp_async_wait");
    CHECK_HAS(fault_of(misses_barrier_after_copy, one, x.data(), out.data()), "race");
}

TEST_CASE("emulation: planted mistakes in global memory") {
    const DeviceArray<float> x{random_values(10, 4)};
    if (!accesses_checked()) return;
    const Launch one{.name = "one", .grid = 1, .block = 32};
    CHECK_HAS(fault_of(writes_past_the_end, one, x.data(), 10),
              "kernel one, block (0, 0, 0), thread (10, 0, 0): writes 4 bytes at 0 bytes past the end of a device "
              "allocation of 40 bytes: out of bounds");
    CHECK(fault_of(writes_past_the_end, one, x.data(), 9) == "");
    CHECK_HAS(fault_of(prefetches_past_the_end, one, x.data()), "out of bounds");
    CHECK(fault_of(prefetches_past_the_end, {.name = "one", .grid = 1, .block = 10}, x.data()) == "");
    CHECK_HAS(fault_of(reads_misaligned, {.name = "one", .grid = 1, .block = 1}, x.data(), x.data()),
              "not a multiple of 8");
    // A gap in an arena.
    const DeviceArray<float> arena{std::vector<float>(64)};
    emulation::poison(arena.data() + 32, 16);
    CHECK_HAS(fault_of(add_one, {.name = "one", .grid = 1, .block = 64}, arena.data(), 33),
              "byte 128 of a device allocation of 256 bytes: out of bounds");
    emulation::unpoison(arena.data() + 32, 16);
    CHECK(fault_of(add_one, {.name = "one", .grid = 1, .block = 64}, arena.data(), 33) == "");
    // Memory given back.
    float* gone = nullptr;
    check(cudaMalloc(&gone, 256), "cudaMalloc");
    check(cudaFree(gone), "cudaFree");
    CHECK_HAS(fault_of(add_one, one, gone, 1), "out of bounds");
}

TEST_CASE("emulation: copies stay in bounds and go in the direction they say") {
    const DeviceArray<float> x{std::vector<float>(16)};
    std::vector<float> host(32);
    CHECK_THROWS_WITH_AS(cudaMemcpy(host.data(), x.data(), 65, cudaMemcpyDeviceToHost),
                         doctest::Contains("out of bounds"), Fault);
    CHECK_THROWS_WITH_AS(cudaMemcpy(host.data(), x.data(), 64, cudaMemcpyHostToDevice), doctest::Contains("direction"),
                         Fault);
}

TEST_CASE("emulation: a programmatic launch that reads before it waits reads old data") {
    const DeviceArray<float> x{std::vector<float>(64)}, out{std::vector<float>(64)};
    const Launch ordinary{.name = "add_one", .grid = 2, .block = 32},
        early{.name = "early", .grid = 2, .block = 32, .programmatic = true};
    launch(add_one, ordinary, x.data(), 64);
    launch(double_after_wait, early, x.data(), out.data(), 64);
    launch(add_one, ordinary, x.data(), 64);
    launch(double_after_wait, early, x.data(), out.data(), 64);
    CHECK(out.host() == std::vector<float>(64, 4.0f));
    launch(add_one, ordinary, x.data(), 64);
    launch(reads_before_wait, early, x.data(), out.data(), 64);
    CHECK(out.host() == std::vector<float>(64, 4.0f));  // of x = 2, not 3
    CHECK_HAS(fault_of(never_waits, early, x.data(), out.data(), 64), "ends without wait_for_previous_kernel()");
}

TEST_CASE("emulation: launches are checked as the runtime checks them") {
    const DeviceArray<float> x{std::vector<float>(8)};
    const auto refused = [&](const Launch& how, const char* part) {
        CHECK_THROWS_WITH_AS(launch(add_one, how, x.data(), 8), doctest::Contains(part), Error);
    };
    refused({.name = "big", .grid = 1, .block = 1025}, "big: invalid configuration argument");
    refused({.name = "empty", .grid = 0, .block = 32}, "invalid configuration");
    refused({.name = "shared", .grid = 1, .block = 32, .shared_bytes = 49 * 1024}, "invalid argument");
    CHECK(allow_shared_bytes(add_one, 100 * 1024));
    CHECK(fault_of(add_one, {.name = "shared", .grid = 1, .block = 32, .shared_bytes = 49 * 1024}, x.data(), 8) == "");
    CHECK_FALSE(allow_shared_bytes(add_one, 300 * 1024));
    CHECK(cudaGetLastError() == cudaSuccess);
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, 0), "properties");
    CHECK(std::string(properties.name) == "emulated");
    CHECK(properties.major == 9);
    int blocks = 0;
    check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, add_one, 256, 100 * 1024), "occupancy");
    CHECK(blocks == 2);
}

#ifdef __SANITIZE_ADDRESS__
TEST_CASE("emulation: AddressSanitizer stops a process whose kernel goes out of bounds") {
    const DeviceArray<float> x{std::vector<float>(128)};
    const auto exit_code = [](auto run) {
        std::fflush(nullptr);
        const pid_t child = fork();
        if (child == 0) {
            std::freopen("/dev/null", "w", stderr);
            run();
            _exit(0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    };
    const Launch one{.name = "one", .grid = 1, .block = 32};
    const Launch dynamic{.name = "one", .grid = 1, .block = 32, .shared_bytes = 400};
    CHECK(exit_code([&] { fault_of(writes_past_the_end, one, x.data() + 112, 15); }) == 0);
    CHECK(exit_code([&] { fault_of(writes_past_the_end, one, x.data() + 112, 16); }) != 0);
    CHECK(exit_code([&] { fault_of(shared_past_the_end, one, x.data()); }) != 0);
    CHECK(exit_code([&] { fault_of(dynamic_past_the_end, dynamic, x.data(), 99); }) == 0);
    CHECK(exit_code([&] { fault_of(dynamic_past_the_end, dynamic, x.data(), 100); }) != 0);
}
#endif
