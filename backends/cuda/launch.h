// Launching kernels, and the check of every CUDA call.
#pragma once

#include "backends/cuda/cuda.h"
#include "base/error.h"

#include <source_location>

#ifndef __CUDACC__
#include "backends/emulation/grid.h"

#include <tuple>
#endif

namespace vitro::VITRO_DEVICE {

/// Throws Error when a call of the CUDA runtime has failed: `check(cudaMalloc(&p, n), "cudaMalloc of the arena")`.
inline void check(cudaError_t status, const char* call, std::source_location where = std::source_location::current()) {
    if (status != cudaSuccess)
        fail("{}: {} ({}) at {}:{}", call, cudaGetErrorString(status), cudaGetErrorName(status), where.file_name(),
             where.line());
}

/// How a kernel is launched.
struct Launch {
    const char* name;  // of the kernel, in errors and profiles
    dim3 grid;
    dim3 block;
    std::size_t shared_bytes = 0;  // dynamic; above 48 KiB CudaBackend::allow_shared_bytes() comes first
    cudaStream_t stream = nullptr;
    bool programmatic = false;  // may start before the kernel in front of it has ended: see wait_for_previous_kernel()
    bool cooperative = false;   // all blocks run at the same time and may call sync_grid()
    unsigned cluster = 1;       // blocks a cluster, along x
};

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
    cudaLaunchAttribute attributes[3];
    unsigned count = 0;
    if (how.programmatic) {
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
    check(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), how.name);
}

#else

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), const Launch& how, Arguments&&... arguments) {
    static_assert(sizeof...(Parameters) == sizeof...(Arguments));
    if (how.cluster != 1) fail("{}: clusters are not emulated", how.name);
    emulation::Kernel work{how.name, how.grid, how.block, how.shared_bytes, how.cooperative, how.programmatic, nullptr};
    work.body = [kernel, copies = std::tuple<std::remove_const_t<Parameters>...>(
                             static_cast<Parameters>(arguments)...)] { std::apply(kernel, copies); };
    check(emulation::enqueue(std::move(work), reinterpret_cast<const void*>(kernel), how.stream), how.name);
}

#endif

}  // namespace vitro::VITRO_DEVICE
