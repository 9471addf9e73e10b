// The device runtime on the emulated device: memory, copies, recordings, and what it says when something is missing.
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/devices.h"
#include "backends/emulation/stream.h"
#include "tests/backends/emulated_device.h"

#include <doctest/doctest.h>

#include <numeric>

using namespace vitro;
using namespace vitro::cuda_emulated;

namespace {

std::vector<std::int32_t> counted(std::size_t n, std::int32_t from = 0) {
    std::vector<std::int32_t> out(n);
    std::iota(out.begin(), out.end(), from);
    return out;
}

std::string error_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("the backend says which device it is and what is free") {
    CudaBackend backend(0);
    CHECK(backend.name() == "cuda-emulated");
    CHECK(backend.description() == "cuda-emulated:0 (emulated)");
    const std::size_t before = backend.free_bytes().value();
    const Buffer buffer = backend.allocate(1 << 20, "a test");
    CHECK(before - backend.free_bytes().value() >= 1 << 20);
    CHECK(error_of([] { CudaBackend{1}; }) == "cuda-emulated:1: expected a device in 0..0, found 1");
}

TEST_CASE("memory begins as zeros, and an allocation that cannot be says what for") {
    CudaBackend backend(0);
    const Buffer buffer = backend.allocate(100, "a test");
    std::vector<std::byte> host(100, std::byte{1});
    backend.download(host.data(), buffer.data(), 100);
    CHECK(host == std::vector<std::byte>(100));
    const std::string text = error_of([&] { backend.allocate(std::size_t{1} << 50, "the KV cache"); });
    CHECK_HAS(text, "not enough memory for the KV cache: 1125899906842624 bytes, ");
}

TEST_CASE("upload_all brings every byte, in pieces and by several threads, and tells how far it is") {
    CudaBackend backend(0);
    const auto large = counted(3'000'000), small = counted(5, 7);  // 12 MB: three pieces
    const Buffer a = backend.allocate(large.size() * 4, "large"), b = backend.allocate(small.size() * 4, "small");
    const Upload uploads[] = {{a.data(), large.data(), large.size() * 4}, {b.data(), small.data(), small.size() * 4}};
    std::size_t told = 0;
    bool rises = true;
    backend.upload_all(uploads, [&](std::size_t done) {
        rises = rises && done >= told;
        told = done;
    });
    CHECK(rises);
    CHECK(told == (large.size() + small.size()) * 4);
    std::vector<std::int32_t> back(large.size());
    backend.download(back.data(), a.data(), a.bytes());
    CHECK(back == large);
    back.resize(small.size());
    backend.download(back.data(), b.data(), b.bytes());
    CHECK(back == small);
    backend.upload_all({}, nullptr);
}

TEST_CASE("a recording does its work at each replay, with what stands in the memory then") {
    CudaBackend backend(0);
    const std::size_t bytes = 64;
    const Buffer staging = backend.allocate_staging(2 * bytes, "a test");
    const Buffer device = backend.allocate(bytes, "a test");
    const auto recording = backend.record([&] {
        backend.queue_upload(device.data(), staging.data(), bytes);
        backend.queue_download(staging.data() + bytes, device.data(), bytes);
    });
    REQUIRE(recording != nullptr);
    CHECK(recording->size() == 2);
    auto* in = reinterpret_cast<std::int32_t*>(staging.data());
    for (const std::int32_t value : {3, 4}) {
        in[0] = value;
        CHECK(recording->replay());
        backend.synchronize();
        CHECK(in[bytes / 4] == value);
    }
}

TEST_CASE("a stopwatch reads the device's clock between pieces of work, anew at each replay of a recording") {
    CudaBackend backend(0);
    const std::size_t bytes = 1 << 20;
    const Buffer staging = backend.allocate_staging(bytes, "a test"), device = backend.allocate(bytes, "a test");
    const auto stopwatch = backend.make_stopwatch(3);
    const auto queue = [&] {
        stopwatch->mark(0);
        backend.queue_upload(device.data(), staging.data(), bytes);
        stopwatch->mark(1);
        backend.queue_download(staging.data(), device.data(), bytes);
        stopwatch->mark(2);
    };
    const auto check_times = [&] {
        backend.synchronize();
        CHECK(stopwatch->seconds(0) >= 0);
        CHECK(stopwatch->seconds(1) > stopwatch->seconds(0));
        CHECK(stopwatch->seconds(2) > stopwatch->seconds(1));
    };
    stopwatch->start();
    queue();
    check_times();
    const auto recording = backend.record(queue);
    REQUIRE(recording != nullptr);
    double before = 0;
    for (int replay = 0; replay < 2; ++replay) {
        stopwatch->start();
        recording->replay();
        check_times();
        CHECK(stopwatch->seconds(2) != before);
        before = stopwatch->seconds(2);
    }
}

TEST_CASE("staging memory may be given back while a copy from it is queued") {
    CudaBackend backend(0);
    const auto numbers = counted(50'000'000 / sizeof(std::int32_t));
    const Buffer device = backend.allocate(numbers.size() * 4, "a test");
    {
        const Buffer staging = backend.allocate_staging(numbers.size() * 4, "a test");
        std::copy(numbers.begin(), numbers.end(), reinterpret_cast<std::int32_t*>(staging.data()));
        backend.queue_upload(device.data(), staging.data(), staging.bytes());
    }
    std::vector<std::int32_t> back(numbers.size());
    backend.download(back.data(), device.data(), device.bytes());
    CHECK(back == numbers);
}

TEST_CASE("what throws while it is recorded leaves the device usable") {
    CudaBackend backend(0);
    backend.on_warning([](std::string_view) {});
    CHECK(backend.record([] { fail("no such kernel"); }) == nullptr);  // the direct run throws it
    CHECK_THROWS_AS(CudaBackend(0).record([] { throw std::bad_alloc(); }), std::bad_alloc);
    const Buffer buffer = backend.allocate(64, "a test");
    CHECK(buffer.bytes() == 64);
}
