// What the tests of the emulation share.
#pragma once

#include "backends/cuda/launch.h"
#include "backends/emulation/options.h"
#include "base/random.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace vitro::cuda_emulated {

/// Device memory that holds a copy of host values.
template <class T>
class DeviceArray {
public:
    explicit DeviceArray(const std::vector<T>& values) : count_(values.size()) {
        check(cudaMalloc(&data_, count_ * sizeof(T)), "cudaMalloc");
        check(cudaMemcpy(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy");
    }
    explicit DeviceArray(std::size_t count) : DeviceArray(std::vector<T>(count)) {}
    ~DeviceArray() { cudaFree(data_); }
    DeviceArray(const DeviceArray&) = delete;
    DeviceArray& operator=(const DeviceArray&) = delete;

    T* data() const { return data_; }
    std::vector<T> host() const {
        std::vector<T> values(count_);
        check(cudaMemcpy(values.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost), "cudaMemcpy");
        return values;
    }

private:
    T* data_ = nullptr;
    std::size_t count_;
};

inline std::vector<float> random_values(std::size_t count, std::uint64_t seed) {
    Random random(seed);
    std::vector<float> values(count);
    for (float& value : values) value = random.normal();
    return values;
}

/// Runs what is queued and gives the text of the fault, or nothing.
inline std::string fault_of_queued() {
    try {
        check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    } catch (const Fault& fault) {
        return fault.what();
    }
    return "";
}

template <class... Parameters, class... Arguments>
std::string fault_of(void (*kernel)(Parameters...), const Launch& how, Arguments... arguments) {
    launch(kernel, how, arguments...);
    return fault_of_queued();
}

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// True if a mistake that shows only in the memory accesses can be found here; else says that it cannot.
inline bool accesses_checked() {
    if (!emulation::accesses_are_checked())
        MESSAGE("skipped: kernels have no access hooks in sanitizer builds, the release build checks this");
    return emulation::accesses_are_checked();
}

#define CHECK_HAS(text, part) CHECK_MESSAGE(has(text, part), (text))

}  // namespace vitro::cuda_emulated
