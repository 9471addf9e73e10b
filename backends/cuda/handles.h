// Handles of the CUDA runtime that are given back with their owner, and the device that is current.
#pragma once

#include "backends/cuda/cuda.h"
#include "base/error.h"

#include <source_location>
#include <utility>

namespace vitro::VITRO_DEVICE {

/// Throws Error when a call of the CUDA runtime has failed: `check(cudaMalloc(&p, n), "cudaMalloc of the arena")`.
inline void check(cudaError_t status, const char* call, std::source_location where = std::source_location::current()) {
    if (status != cudaSuccess)
        fail("{}: {} ({}) at {}:{}", call, cudaGetErrorString(status), cudaGetErrorName(status), where.file_name(),
             where.line());
}

/// Makes a device the current one of this thread, and at the end of the scope the one that was. A process may have
/// several devices, and whoever uses CUDA beside vitro keeps its own. -1: leaves everything as it is.
class CurrentDevice {
public:
    explicit CurrentDevice(int device) {
        if (device < 0) return;
        int before = 0;
        check(cudaGetDevice(&before), "cudaGetDevice");
        if (before == device) return;
        check(cudaSetDevice(device), "cudaSetDevice");
        before_ = before;
    }
    ~CurrentDevice() {
        if (before_ >= 0) cudaSetDevice(before_);
    }
    CurrentDevice(const CurrentDevice&) = delete;
    CurrentDevice& operator=(const CurrentDevice&) = delete;

private:
    int before_ = -1;
};

/// Calls `body` with `device` current, for destructors: errors end there. A fault of the emulation, too, is thrown;
/// whoever waits for the same work next is told.
template <class Body>
void on_device_quietly(int device, Body&& body) noexcept {
    try {
        const CurrentDevice current(device);
        body();
    } catch (...) {
    }
}

/// A handle that `kRelease` gives back, on the device on which it was made.
template <class Handle, auto kRelease>
class Owned {
public:
    Owned() = default;
    /// `create(&handle)` makes it on `device`, which is current. Error naming `call` when it fails.
    template <class Create>
    Owned(int device, const char* call, Create&& create, std::source_location where = std::source_location::current())
        : device_(device) {
        check(create(&handle_), call, where);
    }
    ~Owned() { release(); }
    Owned(Owned&& other) noexcept { swap(other); }
    Owned& operator=(Owned&& other) noexcept {
        swap(other);
        return *this;
    }

    operator Handle() const { return handle_; }

private:
    void swap(Owned& other) noexcept {
        std::swap(handle_, other.handle_);
        std::swap(device_, other.device_);
    }
    void release() {
        if (handle_ != nullptr) on_device_quietly(device_, [this] { kRelease(handle_); });
    }

    Handle handle_ = nullptr;
    int device_ = -1;
};

using OwnedStream = Owned<cudaStream_t, cudaStreamDestroy>;
using OwnedEvent = Owned<cudaEvent_t, cudaEventDestroy>;
using OwnedGraph = Owned<cudaGraph_t, cudaGraphDestroy>;
using OwnedRecording = Owned<cudaGraphExec_t, cudaGraphExecDestroy>;
using OwnedHostMemory = Owned<void*, cudaFreeHost>;

inline OwnedStream make_stream(int device) {
    return {device, "cudaStreamCreateWithFlags",
            [](cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking); }};
}
inline OwnedEvent make_event(int device, unsigned flags) {
    return {device, "cudaEventCreateWithFlags",
            [flags](cudaEvent_t* event) { return cudaEventCreateWithFlags(event, flags); }};
}

}  // namespace vitro::VITRO_DEVICE
