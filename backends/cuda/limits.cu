// What the card can do, measured: the yardsticks of every benchmark.
#include "backends/cuda/cuda_backend.h"
#include "backends/cuda/devices.h"
#include "backends/cuda/launch.h"
#include "backends/cuda/ptx.h"

#include <algorithm>
#include <vector>

namespace vitro::VITRO_DEVICE {
namespace {

constexpr int kRepeats = 7;
constexpr int kThreads = 512;
constexpr int kInFlight = 8;  // loads of 16 bytes that a thread waits for together

/// Every bit pattern is a number in ±[1, 2), in halves of 16 bits: a product of zeros would run faster than a real one.
__global__ void fill_kernel(std::uint32_t* words, std::int64_t count) {
    const std::int64_t stride = std::int64_t(gridDim.x) * blockDim.x;
    for (std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += stride) {
        std::uint32_t bits = std::uint32_t(i) * 2654435761u;
        bits ^= bits >> 15;
        bits *= 2246822519u;
        bits ^= bits >> 13;
        words[i] = (bits & 0x807f807fu) | 0x3f803f80u;
    }
}

/// Reads all of `data` and writes hardly anything.
__global__ void read_kernel(const uint4* data, std::int64_t count, std::uint32_t* out) {
    const std::int64_t stride = std::int64_t(gridDim.x) * blockDim.x;
    std::uint32_t sum = 0;
    std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; i + (kInFlight - 1) * stride < count; i += kInFlight * stride) {
        uint4 loaded[kInFlight];
        for (int j = 0; j < kInFlight; ++j) loaded[j] = load_once(data + i + j * stride);
        for (int j = 0; j < kInFlight; ++j) sum ^= loaded[j].x ^ loaded[j].y ^ loaded[j].z ^ loaded[j].w;
    }
    for (; i < count; i += stride) sum ^= load_once(data + i).x;
    if (sum == 0x12345678u) *out = sum;  // hardly ever, but the loads must be done
}

__global__ void copy_kernel(const uint4* from, uint4* to, std::int64_t count) {
    const std::int64_t stride = std::int64_t(gridDim.x) * blockDim.x;
    std::int64_t i = std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    for (; i + 3 * stride < count; i += 4 * stride) {
        uint4 loaded[4];
        for (int j = 0; j < 4; ++j) loaded[j] = load_once(from + i + j * stride);
        for (int j = 0; j < 4; ++j) to[i + j * stride] = loaded[j];
    }
    for (; i < count; i += stride) to[i] = from[i];
}

/// Median over kRepeats, after one run that does not count.
template <class Queue>
double median_seconds(CudaBackend& backend, Queue&& queue) {
    queue();
    std::vector<double> seconds;
    for (int i = 0; i < kRepeats; ++i) seconds.push_back(backend.seconds_of(queue));
    std::nth_element(seconds.begin(), seconds.begin() + kRepeats / 2, seconds.end());
    return seconds[kRepeats / 2];
}

/// Products of a prompt of `m` tokens with a layer's weights (Phi-3-mini's), all sizes but the first divided by `by`.
std::vector<ProductCheck> check_products(CudaBackend& backend, std::int64_t m, std::int64_t by) {
    constexpr std::int64_t kSizes[][2] = {{9216, 3072}, {3072, 3072}, {16384, 3072}, {3072, 8192}};
    std::vector<ProductCheck> checks;
    for (const auto& [rows, columns] : kSizes) {
        ProductCheck check{.m = m, .n = rows / by, .k = columns / by};
        const auto matrix = [&](std::int64_t elements) {
            return backend.allocate(std::size_t(elements) * sizeof(__nv_bfloat16), "a matrix");
        };
        const Buffer a = matrix(m * check.k), b = matrix(check.n * check.k), found = matrix(m * check.n),
                     expected = matrix(m * check.n);
        for (const Buffer* buffer : {&a, &b})
            launch(fill_kernel, {.name = "fill", .grid = 64, .block = kThreads, .stream = backend.stream()},
                   reinterpret_cast<std::uint32_t*>(buffer->data()), std::int64_t(buffer->bytes() / 4));
        GemmCall call{.input = DType::bf16,
                      .output = DType::bf16,
                      .m = m,
                      .n = check.n,
                      .k = check.k,
                      .a = a.data(),
                      .b = b.data(),
                      .c = found.data()};
        backend.multiply(call);
        call.c = expected.data();
        plain_gemm(call, backend.stream());
        std::vector<__nv_bfloat16> host[2];
        for (const Buffer* buffer : {&found, &expected}) {
            auto& values = host[buffer == &expected];
            values.resize(buffer->bytes() / sizeof(__nv_bfloat16));
            backend.download(values.data(), buffer->data(), buffer->bytes());
        }
        double difference = 0, all = 0;
        for (std::size_t i = 0; i < host[1].size(); ++i) {
            const double wanted = double(__bfloat162float(host[1][i])),
                         d = double(__bfloat162float(host[0][i])) - wanted;
            difference += d * d;
            all += wanted * wanted;
        }
        check.nmse = difference / all;
        checks.push_back(check);
    }
    return checks;
}

}  // namespace

DeviceLimits measure_limits(Backend& device, std::size_t bytes, std::int64_t n) {
    auto& backend = static_cast<CudaBackend&>(device);
    const auto blocks = unsigned(backend.multiprocessors() * 4);
    const Buffer a = backend.allocate(bytes, "the bandwidth measurement"),
                 b = backend.allocate(bytes, "the bandwidth measurement");
    const auto vectors = std::int64_t(bytes / sizeof(uint4));
    const auto fill = [&](const Buffer& buffer) {
        launch(fill_kernel, {.name = "fill", .grid = blocks, .block = kThreads, .stream = backend.stream()},
               reinterpret_cast<std::uint32_t*>(buffer.data()), std::int64_t(buffer.bytes() / 4));
    };
    fill(a);
    DeviceLimits limits;
    limits.bytes = bytes;
    limits.read_bytes_per_second =
        double(bytes) / median_seconds(backend, [&] {
            launch(read_kernel, {.name = "read", .grid = blocks, .block = kThreads, .stream = backend.stream()},
                   reinterpret_cast<const uint4*>(a.data()), vectors, reinterpret_cast<std::uint32_t*>(b.data()));
        });
    limits.copy_bytes_per_second =
        2 * double(bytes) / median_seconds(backend, [&] {
            launch(copy_kernel, {.name = "copy", .grid = blocks, .block = kThreads, .stream = backend.stream()},
                   reinterpret_cast<const uint4*>(a.data()), reinterpret_cast<uint4*>(b.data()), vectors);
        });

    const std::size_t matrix = std::size_t(n) * std::size_t(n) * 2;
    const Buffer x = backend.allocate(matrix, "a matrix"), w = backend.allocate(matrix, "a matrix"),
                 y = backend.allocate(matrix, "a matrix");
    fill(x);
    fill(w);
    limits.gemm_size = n;
    limits.gemm_library = backend.gemm_library();
    limits.gemm_flops_per_second = 2.0 * double(n) * double(n) * double(n) / median_seconds(backend, [&] {
                                       backend.multiply({.input = DType::bf16,
                                                         .output = DType::bf16,
                                                         .m = n,
                                                         .n = n,
                                                         .k = n,
                                                         .a = x.data(),
                                                         .b = w.data(),
                                                         .c = y.data()});
                                   });
    backend.synchronize();
    const bool is_large = n >= 8192;
    limits.products = check_products(backend, is_large ? 512 : 20, is_large ? 1 : 64);
    return limits;
}

}  // namespace vitro::VITRO_DEVICE
