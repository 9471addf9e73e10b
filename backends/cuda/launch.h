// Launching kernels, and the check of every CUDA call.
#pragma once

#include "backends/cuda/handles.h"

#include <functional>
#include <string>
#include <unordered_set>

#ifndef __CUDACC__
#include "backends/emulation/grid.h"

#include <tuple>
#endif

namespace vitro::VITRO_DEVICE {

/// The programmatic launches of a device.
struct ProgrammaticLaunches {
    bool allowed = true;                           // else they are ordinary ones
    std::function<void(const std::string&)> warn;  // told once, when one was refused and an ordinary launch was not
    /// Kernels whose multiprocessors are split in favour of shared memory. A kernel and the one that starts before it
    /// has ended share a multiprocessor only where both ask for the same split.
    std::unordered_set<const void*> with_shared_memory{};
};

/// The stream of a backend, for Launch; a plain cudaStream_t of the current device will do, too.
struct LaunchStream {
    cudaStream_t stream = nullptr;
    int device = -1;                               // the stream's, made current for the launch; -1: it is
    ProgrammaticLaunches* programmatic = nullptr;  // null: allowed

    LaunchStream() = default;
    LaunchStream(cudaStream_t of_current_device) : stream(of_current_device) {}
    LaunchStream(cudaStream_t of_device, int device_number, ProgrammaticLaunches* launches)
        : stream(of_device), device(device_number), programmatic(launches) {}
    operator cudaStream_t() const { return stream; }
};

/// How a kernel is launched.
struct Launch {
    const char* name;  // of the kernel, in errors and profiles
    dim3 grid;
    dim3 block;
    std::size_t shared_bytes = 0;  // dynamic; above 48 KiB CudaBackend::allow_shared_bytes() comes first
    LaunchStream stream{};
    bool programmatic = false;  // may start before the kernel in front of it has ended: see wait_for_previous_kernel()
    bool cooperative = false;   // all blocks run at the same time and may call sync_grid()
    unsigned cluster = 1;       // blocks a cluster, along x
};

/// Calls attempt(programmatic), which launches, on the stream's device. Where a programmatic launch is refused and an
/// ordinary one is not, all launches of this device are ordinary from then on: it costs time, not a result.
template <class Attempt>
void launch_or_fall_back(const void* kernel, const Launch& how, Attempt&& attempt) {
    const CurrentDevice current(how.stream.device);
    ProgrammaticLaunches* const launches = how.stream.programmatic;
    const bool programmatic = how.programmatic && (launches == nullptr || launches->allowed);
    if (programmatic && launches != nullptr && launches->with_shared_memory.insert(kernel).second)
        check(cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                                   cudaSharedmemCarveoutMaxShared),
              "cudaFuncSetAttribute");
    cudaError_t status = attempt(programmatic);
    if (status != cudaSuccess && programmatic && launches != nullptr) {
        cudaGetLastError();  // an ordinary launch is tried
        const cudaError_t refused = std::exchange(status, attempt(false));
        if (status == cudaSuccess) {
            launches->allowed = false;
            launches->warn(
                fmt::format("{}: a programmatic launch failed: {} ({}); kernels are launched one after the "
                            "other from now on, as with VITRO_CUDA_PDL=0",
                            how.name, cudaGetErrorString(refused), cudaGetErrorName(refused)));
        }
    }
    check(status, how.name);
}

/// Lets `kernel` be launched with so many dynamic bytes on the current device. False where it has not so many. Kernels
/// ask CudaBackend::allow_shared_bytes, which remembers.
template <class... Parameters>
bool allow_shared_bytes(void (*kernel)(Parameters...), std::size_t bytes) {
    const cudaError_t status = cudaFuncSetAttribute(
        reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
    if (status == cudaErrorInvalidValue) return static_cast<void>(cudaGetLastError()), false;
    check(status, "cudaFuncSetAttribute");
    return true;
}

#ifdef __CUDACC__

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const Launch& how, Arguments&&... arguments) {
    static_assert(sizeof...(Parameters) == sizeof...(Arguments));
    launch_or_fall_back(reinterpret_cast<const void*>(kernel), how, [&](bool programmatic) {
        cudaLaunchAttribute attributes[3];
        unsigned count = 0;
        if (programmatic) {
            attributes[count].id = cudaLaunchAttributeProgrammaticStreamSerialization;
            attributes[count++].val.programmaticStreamSerializationAllowed = 1;
        }
        if (how.cooperative) {
            attributes[count].id = cudaLaunchAttributeCooperative;
            attributes[count++].val.cooperative = 1;
        }
        if (how.cluster > 1) {
            attributes[count].id = cudaLaunchAttributeClusterDimension;
            attributes[count].val.clusterDim.x = how.cluster;
            attributes[count].val.clusterDim.y = 1;
            attributes[count++].val.clusterDim.z = 1;
        }
        cudaLaunchConfig_t config{};
        config.gridDim = how.grid;
        config.blockDim = how.block;
        config.dynamicSmemBytes = how.shared_bytes;
        config.stream = how.stream;
        config.attrs = attributes;
        config.numAttrs = count;
        return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
    });
}

#else

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const Launch& how, Arguments&&... arguments) {
    static_assert(sizeof...(Parameters) == sizeof...(Arguments));
    if (how.cluster != 1) fail("{}: clusters are not emulated", how.name);
    launch_or_fall_back(reinterpret_cast<const void*>(kernel), how, [&](bool programmatic) {
        emulation::Kernel work{how.name, how.grid, how.block, how.shared_bytes, how.cooperative, programmatic, nullptr};
        work.body = [kernel, copies = std::tuple<std::remove_const_t<Parameters>...>(
                                 static_cast<Parameters>(arguments)...)] { std::apply(kernel, copies); };
        return emulation::enqueue(std::move(work), reinterpret_cast<const void*>(kernel), how.stream);
    });
}

#endif

}  // namespace vitro::VITRO_DEVICE
