// gemm.h on the CPU: the reference.
#include "backends/cuda/gemm.h"

#include "backends/cuda/launch.h"
#include "backends/emulation/device_heap.h"
#include "backends/emulation/failures.h"
#include "backends/emulation/options.h"
#include "base/half.h"

#include <vector>

namespace vitro::cuda_emulated {
namespace {

/// Throws Fault unless all rows are device memory that may be touched.
void check_matrix(const char* what, const void* data, DType dtype, std::int64_t rows, std::int64_t columns,
                  std::int64_t stride) {
    const auto* first = static_cast<const std::byte*>(data);
    for (std::int64_t row = 0; row < rows; ++row) {
        const std::byte* begin = first + bytes_of(dtype, row * stride);
        if (!DeviceHeap::contains(begin) || !DeviceHeap::accessible(begin, std::size_t(bytes_of(dtype, columns))))
            throw Fault(fmt::format("gemm: row {} of {} [{}, {}] in {}: out of bounds, {}", row, what, rows, columns,
                                    name(dtype), DeviceHeap::instance().describe(begin)));
    }
}

void read(const void* data, DType dtype, std::int64_t begin, std::int64_t count, float* out) {
    dispatch_float(dtype, [&](auto t) {
        const auto* values = static_cast<const decltype(t)*>(data) + begin;
        for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(values[i]);
    });
}

void write(void* data, DType dtype, std::int64_t begin, std::int64_t count, const float* in) {
    dispatch_float(dtype, [&](auto t) {
        using T = decltype(t);
        auto* values = static_cast<T*>(data) + begin;
        for (std::int64_t i = 0; i < count; ++i) values[i] = T(in[i]);
    });
}

void multiply(const GemmCall& call) {
    const std::int64_t a_stride = call.a_stride, b_stride = call.b_stride, c_stride = call.c_stride;
    check_matrix("a", call.a, call.input, call.m, call.k, a_stride);
    check_matrix("b", call.b, call.input, call.n, call.k, b_stride);
    check_matrix("c", call.c, call.output, call.m, call.n, c_stride);
    if (call.bias != nullptr) check_matrix("bias", call.bias, call.output, 1, call.n, call.n);
    if (call.residual != nullptr) check_matrix("residual", call.residual, call.output, call.m, call.n, c_stride);

    const auto n = std::size_t(call.n), k = std::size_t(call.k);
    std::vector<float> row(k), columns(k * n), sum(n), added(n), bias(n, 0.0f);  // columns: b transposed, [k, n]
    for (std::size_t j = 0; j < n; ++j) {
        read(call.b, call.input, std::int64_t(j) * b_stride, call.k, row.data());
        for (std::size_t i = 0; i < k; ++i) columns[i * n + j] = row[i];
    }
    if (call.bias != nullptr) read(call.bias, call.output, 0, call.n, bias.data());
    for (std::int64_t i = 0; i < call.m; ++i) {
        read(call.a, call.input, i * a_stride, call.k, row.data());
        sum.assign(n, 0.0f);
        for (std::size_t l = 0; l < k; ++l)
            for (std::size_t j = 0; j < n; ++j) sum[j] += row[l] * columns[l * n + j];
        if (call.residual != nullptr) {
            read(call.residual, call.output, i * c_stride, call.n, added.data());
            for (std::size_t j = 0; j < n; ++j) sum[j] += added[j];
        }
        for (std::size_t j = 0; j < n; ++j) sum[j] += bias[j];
        write(call.c, call.output, i * c_stride, call.n, sum.data());
    }
}

}  // namespace

struct Gemm::Impl {};

Gemm::Gemm(void*, std::size_t) : impl_(std::make_unique<Impl>()) {}
Gemm::~Gemm() = default;

std::string Gemm::run(const GemmCall& given, cudaStream_t stream) {
    const GemmCall call = given.with_strides();
    if (call.output != DType::f32 && call.output != call.input) fail("gemm: no product of {}", call.description());
    if (call.m == 0 || call.n == 0) return {};
    if (const cudaError_t error = planted_failure("gemm"); error != cudaSuccess) return cudaGetErrorString(error);
    check(enqueue([call] { multiply(call); }, stream), "gemm");
    return {};
}

std::string Gemm::library() const { return "the emulation"; }

}  // namespace vitro::cuda_emulated
