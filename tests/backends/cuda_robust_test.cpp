// The device runtime where calls fail, are switched off, or go to another device than the current one.
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/first_that_works.h"
#include "backends/cuda/uploader.h"
#include "backends/emulation/failures.h"
#include "tests/backends/emulated_device.h"
#include "tests/backends/emulation_kernels.h"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace vitro;
using namespace vitro::cuda_emulated;

namespace {

/// Planted for the time of a scope.
struct Planted {
    explicit Planted(const PlantedFailure& failure) { plant_failure(failure); }
    ~Planted() { clear_failures(); }
};

/// An environment variable for the time of a scope.
class Variable {
public:
    Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
    ~Variable() { unsetenv(name_); }

private:
    const char* name_;
};

/// Options of the emulation for the time of a scope.
struct Emulating {
    Options before = options();
    ~Emulating() { options() = before; }
};

/// A backend, its warnings, and an array that a kernel doubles again and again.
struct Doubling {
    CudaBackend backend{0};
    std::vector<std::string> warnings;
    Buffer data = backend.allocate(256 * sizeof(float), "a test");

    Doubling() {
        backend.on_warning([this](std::string_view text) { warnings.emplace_back(text); });
        const std::vector<float> ones(256, 1.0f);
        backend.upload(data.data(), ones.data(), data.bytes());
    }
    void queue() {
        auto* const x = reinterpret_cast<float*>(data.data());
        launch(double_after_wait,
               {.name = "double_after_wait", .grid = 1, .block = 256, .stream = backend.stream(), .programmatic = true},
               x, x, 256);
    }
    float value() {
        std::vector<float> host(256);
        backend.download(host.data(), data.data(), data.bytes());
        CHECK(host == std::vector<float>(256, host[0]));
        return host[0];
    }
};

}  // namespace

TEST_CASE("whichever call fails while a backend is made, everything is given back and the error says which") {
    const std::size_t before = live_handles();
    int failed = 0;
    for (bool made = false; !made; ++failed) {
        CAPTURE(failed);
        const Planted planted({.skip = failed, .error = cudaErrorMemoryAllocation});
        try {
            const CudaBackend backend(0);
            made = true;
        } catch (const Error& error) {
            CHECK(has(error.what(), "out of memory"));
        }
        CHECK(live_handles() == before);
    }
    CHECK(failed > 5);  // a stream, two allocations, what makes them zero
}

TEST_CASE("whichever call fails in a copy of weights, the error comes out and the next copy works") {
    const std::size_t before = live_handles();
    {
        CudaBackend backend(0);
        const std::vector<std::byte> host(9'000'000, std::byte{5});
        const Buffer device = backend.allocate(host.size(), "a test");
        int failed = 0;
        for (bool done = false; !done; ++failed) {
            CAPTURE(failed);
            {
                const Planted planted({.skip = failed, .error = cudaErrorMemoryAllocation});
                try {
                    backend.upload(device.data(), host.data(), host.size());
                    done = true;
                } catch (const Error& error) {
                    CHECK(has(error.what(), "out of memory"));
                }
            }
            std::vector<std::byte> back(host.size());
            backend.upload(device.data(), host.data(), host.size());
            backend.download(back.data(), device.data(), back.size());
            CHECK(back == host);
            if (failed % 2 == 0) backend.end_uploads();
        }
        CHECK(failed > 5);
    }
    CHECK(live_handles() == before);
}

TEST_CASE("a large copy goes through pinned buffers, which stay for the next one until nobody copies") {
    CudaBackend backend(0);
    const std::vector<std::byte> host(2 * Uploader::kLeast);
    const Buffer device = backend.allocate(host.size(), "a test");
    const std::size_t before = live_handles();
    backend.upload(device.data(), host.data(), Uploader::kLeast - 1);
    CHECK(live_handles() == before);
    backend.upload(device.data(), host.data(), host.size());
    const std::size_t with_buffers = live_handles();
    CHECK(with_buffers >= before + 5);  // two buffers with an event each, a stream
    backend.upload(device.data(), host.data(), host.size());
    CHECK(live_handles() == with_buffers);
    backend.end_uploads();
    CHECK(live_handles() == before);
}

TEST_CASE("where a recording cannot be made, the work runs directly, and one warning says why") {
    for (const char* call : {"cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphGetNodes",
                             "cudaGraphInstantiate", "cudaGraphUpload", "cudaLaunchKernelEx"}) {
        CAPTURE(call);
        const std::size_t before = live_handles();
        {
            Doubling doubling;
            const Planted planted({.call = call, .times = 2, .error = cudaErrorStreamCaptureUnsupported});
            CHECK(doubling.backend.record([&] { doubling.queue(); }) == nullptr);
            REQUIRE(doubling.warnings.size() == 1);
            CHECK_HAS(doubling.warnings[0], "cuda-emulated:0 (emulated): a step could not be recorded: ");
            CHECK_HAS(doubling.warnings[0], "operation not permitted when stream is capturing");
            clear_failures();
            CHECK(doubling.value() == 1.0f);  // nothing was queued
            bool called = false;
            CHECK(doubling.backend.record([&] { called = true; }) == nullptr);
            CHECK(!called);  // not tried again
            doubling.queue();
            CHECK(doubling.value() == 2.0f);
            CHECK(doubling.warnings.size() == 1);
        }
        CHECK(live_handles() == before);
    }
}

TEST_CASE("where a recording cannot be replayed, nothing is queued, and one warning says why") {
    Doubling doubling;
    const auto recording = doubling.backend.record([&] { doubling.queue(); });
    REQUIRE(recording != nullptr);
    CHECK(recording->replay());
    {
        const Planted planted({.call = "cudaGraphLaunch", .error = cudaErrorNotSupported});
        CHECK(!recording->replay());
    }
    CHECK(!recording->replay());
    CHECK(doubling.value() == 2.0f);
    REQUIRE(doubling.warnings.size() == 1);
    CHECK_HAS(doubling.warnings[0], "a step could not be replayed: operation not supported; steps run directly");
}

TEST_CASE("what a kernel has broken is an error, not a matter of recordings or programmatic launches") {
    Doubling doubling;
    const auto recording = doubling.backend.record([&] { doubling.queue(); });
    const Planted planted({.error = cudaErrorIllegalAddress, .sticky = true});
    CHECK_THROWS_WITH_AS(recording->replay(), doctest::Contains("illegal memory access"), Error);
    CHECK_THROWS_WITH_AS(doubling.backend.record([&] { doubling.queue(); }), doctest::Contains("illegal memory access"),
                         Error);
    CHECK_THROWS_WITH_AS(doubling.queue(), doctest::Contains("illegal memory access"), Error);
    CHECK(doubling.warnings.empty());
}

TEST_CASE("where a programmatic launch is refused, an ordinary one takes its place, and one warning says why") {
    Doubling doubling;
    {
        const Planted planted({.call = "programmatic launch", .error = cudaErrorNotSupported});
        doubling.queue();
    }
    const Planted planted({.call = "programmatic launch", .times = 100, .error = cudaErrorNotSupported});
    doubling.queue();
    CHECK(clear_failures() == 0);  // it was not tried again
    CHECK(doubling.value() == 4.0f);
    REQUIRE(doubling.warnings.size() == 1);
    CHECK_HAS(doubling.warnings[0], "double_after_wait: a programmatic launch failed: operation not supported");
}

TEST_CASE("a device before sm_90 gets no programmatic launches, and nobody is warned") {
    const Emulating emulating;
    options().compute_capability = 89;
    Doubling doubling;
    doubling.queue();
    CHECK(doubling.value() == 2.0f);
    CHECK(doubling.warnings.empty());
}

TEST_CASE("recordings, programmatic launches and prefetching can be switched off") {
    const std::byte weights[1]{};
    {
        Doubling doubling;
        CHECK(doubling.backend.prefetched(weights).size() == 1);
        CHECK(doubling.backend.stream().programmatic->allowed);
        CHECK(doubling.backend.has_wgmma());
    }
    const Variable graphs("VITRO_CUDA_GRAPHS", "0"), programmatic("VITRO_CUDA_PDL", "0"),
        prefetch("VITRO_CUDA_PREFETCH", "0"), wgmma("VITRO_CUDA_WGMMA", "0");
    Doubling doubling;
    CHECK(doubling.backend.record([] {}) == nullptr);
    CHECK(doubling.backend.prefetched(weights).empty());
    CHECK_FALSE(doubling.backend.has_wgmma());
    const Planted planted({.call = "programmatic launch"});
    doubling.queue();
    CHECK(clear_failures() == 0);
    CHECK(doubling.value() == 2.0f);
    CHECK(doubling.warnings.empty());
    const Variable wrong("VITRO_CUDA_PDL", "yes");
    CHECK_THROWS_WITH_AS(CudaBackend(0), "VITRO_CUDA_PDL: expected 0 or 1, found 'yes'", Error);
}

TEST_CASE("two devices in one process: each call goes to its backend's own, and the current one stays") {
    const Emulating emulating;
    options().devices = 2;
    CudaBackend first(0), second(1);
    CHECK(second.description() == "cuda-emulated:1 (emulated)");
    CHECK_THROWS_WITH_AS(CudaBackend(2), "cuda-emulated:2: expected a device in 0..1, found 2", Error);
    for (const int current : {0, 1}) {
        CAPTURE(current);
        check(cudaSetDevice(current), "cudaSetDevice");
        for (CudaBackend* backend : {&second, &first}) {
            CudaBackend& other = backend == &first ? second : first;
            const std::size_t free = *backend->free_bytes(), others = *other.free_bytes();
            const std::vector<float> ones(300'000, 1.0f);
            Buffer data = backend->allocate(ones.size() * sizeof(float), "a test");
            CHECK(free - *backend->free_bytes() >= data.bytes());
            CHECK(*other.free_bytes() == others);
            backend->upload(data.data(), ones.data(), data.bytes());  // through pinned buffers
            auto* const x = reinterpret_cast<float*>(data.data());
            const auto queue = [&] {
                launch(double_after_wait,
                       {.name = "double_after_wait",
                        .grid = 1,
                        .block = 64,
                        .stream = backend->stream(),
                        .programmatic = true},
                       x, x, 64);
            };
            const auto recording = backend->record(queue);
            REQUIRE(recording != nullptr);
            CHECK(recording->replay());
            CHECK(backend->seconds_of(queue) > 0);
            backend->multiply(
                {.input = DType::f32, .output = DType::f32, .m = 1, .n = 1, .k = 4, .a = x, .b = x, .c = x + 64});
            std::vector<float> host(66);
            backend->download(host.data(), data.data(), host.size() * sizeof(float));
            CHECK((host[63] == 4.0f && host[64] == 64.0f && host[65] == 1.0f));
            backend->end_uploads();
            data = {};
            CHECK(*backend->free_bytes() == free);
            int now = -1;
            check(cudaGetDevice(&now), "cudaGetDevice");
            CHECK(now == current);
        }
    }
    check(cudaSetDevice(0), "cudaSetDevice");
}

TEST_CASE("a kernel launched while another device is current is refused by the emulation, as CUDA does") {
    const Emulating emulating;
    options().devices = 2;
    CudaBackend second(1);
    const cudaStream_t stream = second.stream();
    CHECK_THROWS_WITH_AS(
        launch(add_one, {.name = "add_one", .grid = 1, .block = 32, .stream = stream}, static_cast<float*>(nullptr), 0),
        doctest::Contains("invalid resource handle"), Error);
}

TEST_CASE("programmatic kernels ask for all the shared memory that a multiprocessor can have") {
    Doubling doubling;
    doubling.queue();
    CHECK(shared_carveout(reinterpret_cast<const void*>(double_after_wait)) == cudaSharedmemCarveoutMaxShared);
    CHECK(shared_carveout(reinterpret_cast<const void*>(add_one)) == cudaSharedmemCarveoutDefault);
}

TEST_CASE("a product that the library refuses is computed by a kernel, and one warning says so") {
    CudaBackend backend(0);
    std::vector<std::string> warnings;
    backend.on_warning([&](std::string_view text) { warnings.emplace_back(text); });
    const DeviceArray<float> a(random_values(3 * 50, 1)), b(random_values(20 * 50, 2)), c(2 * 3 * 20);
    GemmCall call{.input = DType::f32,
                  .output = DType::f32,
                  .m = 3,
                  .n = 20,
                  .k = 50,
                  .a = a.data(),
                  .b = b.data(),
                  .c = c.data()};
    backend.multiply(call);
    backend.synchronize();
    call.c = c.data() + 60;
    const Planted planted({.call = "gemm", .times = 2, .error = cudaErrorNotSupported});
    backend.multiply(call);
    backend.multiply(call);
    backend.synchronize();
    const auto found = c.host();
    for (std::size_t i = 0; i < 60; ++i) CHECK(found[60 + i] == doctest::Approx(found[i]).epsilon(1e-5).scale(1));
    REQUIRE(warnings.size() == 1);
    CHECK_HAS(warnings[0], "refuses a product of m = 3, n = 20, k = 50 in f32 to f32: operation not supported");
}

TEST_CASE("candidates are tried in order, and the one that worked is the first the next time") {
    FirstThatWorks<int> candidates({1, 2, 3});
    std::vector<int> tried;
    const auto with = [&](int works) {
        tried.clear();
        return candidates.run([&](int one) {
            tried.push_back(one);
            return one == works;
        });
    };
    CHECK(with(2));
    CHECK(tried == std::vector{1, 2});
    CHECK(with(2));
    CHECK(tried == std::vector{2});
    CHECK(with(1));
    CHECK(tried == std::vector{2, 3, 1});
    CHECK(!with(4));
    CHECK(tried == std::vector{1, 2, 3});
    CHECK(!FirstThatWorks<int>().run([](int) { return true; }));
}
