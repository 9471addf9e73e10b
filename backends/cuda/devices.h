// CUDA for those who are compiled without it. vitro::cuda exists in builds with nvcc only (VITRO_HAS_CUDA),
// vitro::cuda_emulated in all.
#pragma once

#include "backends/backend.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace vitro {

inline constexpr int kCudaVersion = 13;  // the toolkit's, and the oldest driver's

/// What a device says of itself.
struct DeviceFacts {
    std::string name;
    int compute_capability = 0;  // 90: sm_90
    int multiprocessors = 0;
    std::size_t memory_bytes = 0;
    std::size_t free_bytes = 0;
    std::size_t l2_bytes = 0;
    int memory_bus_bits = 0;
    int clock_khz = 0;
    int memory_clock_khz = 0;  // two transfers a clock
    int driver_version = 0;    // 13000: the newest CUDA that the driver runs
    int runtime_version = 0;   // 13000: CUDA that this program is built with
};

/// A product of the library in bf16 against the same by a plain kernel: the mean square of the difference, as a part of
/// the result's.
struct ProductCheck {
    std::int64_t m = 0, n = 0, k = 0;
    double nmse = 0;
};

/// What a device can do, measured.
struct DeviceLimits {
    std::size_t bytes = 0;  // of the memory that was read, and copied
    double read_bytes_per_second = 0;
    double copy_bytes_per_second = 0;  // read and written bytes together
    std::int64_t gemm_size = 0;        // of a square product in bf16
    double gemm_flops_per_second = 0;
    std::string gemm_library;            // that multiplied, with its version
    std::vector<ProductCheck> products;  // of a model's sizes
};

}  // namespace vitro

namespace vitro::cuda {
/// The number of devices; when there is none, `why_none` says why.
int count_devices(std::string& why_none);
DeviceFacts device_facts(int device);
/// Device number `device`. Error when there is no driver or no such device.
std::unique_ptr<Backend> make_backend(int device = 0);
/// `backend` from make_backend. Medians of 7, by the device's clock; it allocates twice `bytes`, and three matrices.
DeviceLimits measure_limits(Backend& backend, std::size_t bytes, std::int64_t gemm_size);
/// Seconds that `backend`, from make_backend, takes for the work that `queue` queues, by the device's clock.
double seconds_of(Backend& backend, const std::function<void()>& queue);
}  // namespace vitro::cuda

namespace vitro::cuda_emulated {
int count_devices(std::string& why_none);
DeviceFacts device_facts(int device);
std::unique_ptr<Backend> make_backend(int device = 0);
DeviceLimits measure_limits(Backend& backend, std::size_t bytes, std::int64_t gemm_size);
double seconds_of(Backend& backend, const std::function<void()>& queue);
}  // namespace vitro::cuda_emulated
