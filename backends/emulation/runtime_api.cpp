#include "backends/emulation/runtime_api.h"

#include "backends/cpu/host_memory.h"
#include "backends/emulation/device_heap.h"
#include "backends/emulation/failures.h"
#include "backends/emulation/options.h"
#include "backends/emulation/shared_memory.h"
#include "backends/emulation/stream.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string_view>

namespace vitro::emulation {
namespace {

constexpr std::size_t kMemory = std::size_t{141} << 30;
constexpr int kThreadsOfMultiprocessor = 2048, kBlocksOfMultiprocessor = 32;
constexpr std::size_t kSharedOfMultiprocessor = 228 * 1024, kSharedByDefault = 48 * 1024, kSharedReserved = 1024;

/// What was asked for a kernel on a device.
struct FunctionAttributes {
    std::size_t shared_bytes = kSharedByDefault;
    int carveout = cudaSharedmemCarveoutDefault;
};

std::mutex mutex;  // of what follows
std::map<std::pair<int, const void*>, FunctionAttributes> attributes_of_functions;
struct Allocation {
    int device;
    std::size_t bytes;
};
std::map<void*, Allocation> allocations;
std::map<int, std::size_t> used_bytes;  // by device

FunctionAttributes attributes_of(int device, const void* function) {
    const std::lock_guard lock(mutex);
    const auto found = attributes_of_functions.find({device, function});
    return found == attributes_of_functions.end() ? FunctionAttributes{} : found->second;
}

thread_local int current = 0;
thread_local cudaError_t last_error = cudaSuccess;

cudaError_t remember(cudaError_t error) {
    if (error != cudaSuccess) last_error = error;
    return error;
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) {
    switch (error) {
        case cudaSuccess:
            return "cudaSuccess";
        case cudaErrorInvalidValue:
            return "cudaErrorInvalidValue";
        case cudaErrorMemoryAllocation:
            return "cudaErrorMemoryAllocation";
        case cudaErrorInvalidConfiguration:
            return "cudaErrorInvalidConfiguration";
        case cudaErrorInvalidDevice:
            return "cudaErrorInvalidDevice";
        case cudaErrorInvalidResourceHandle:
            return "cudaErrorInvalidResourceHandle";
        case cudaErrorIllegalAddress:
            return "cudaErrorIllegalAddress";
        case cudaErrorNotSupported:
            return "cudaErrorNotSupported";
        case cudaErrorNotReady:
            return "cudaErrorNotReady";
        case cudaErrorLaunchFailure:
            return "cudaErrorLaunchFailure";
        case cudaErrorCooperativeLaunchTooLarge:
            return "cudaErrorCooperativeLaunchTooLarge";
        case cudaErrorStreamCaptureUnsupported:
            return "cudaErrorStreamCaptureUnsupported";
        case cudaErrorStreamCaptureInvalidated:
            return "cudaErrorStreamCaptureInvalidated";
    }
    return "unknown error";
}

const char* cudaGetErrorString(cudaError_t error) {
    switch (error) {
        case cudaSuccess:
            return "no error";
        case cudaErrorInvalidValue:
            return "invalid argument";
        case cudaErrorMemoryAllocation:
            return "out of memory";
        case cudaErrorInvalidConfiguration:
            return "invalid configuration argument";
        case cudaErrorInvalidDevice:
            return "invalid device ordinal";
        case cudaErrorInvalidResourceHandle:
            return "invalid resource handle";
        case cudaErrorIllegalAddress:
            return "an illegal memory access was encountered";
        case cudaErrorNotSupported:
            return "operation not supported";
        case cudaErrorNotReady:
            return "device not ready";
        case cudaErrorLaunchFailure:
            return "unspecified launch failure";
        case cudaErrorCooperativeLaunchTooLarge:
            return "too many blocks in cooperative launch";
        case cudaErrorStreamCaptureUnsupported:
            return "operation not permitted when stream is capturing";
        case cudaErrorStreamCaptureInvalidated:
            return "operation failed due to a previous error during capture";
    }
    return "unrecognized error code";
}

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
cudaError_t cudaPeekAtLastError() { return last_error; }

int current_device() { return current; }

cudaError_t cudaGetDeviceCount(int* count) {
    *count = options().devices;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
    if (device < 0 || device >= options().devices) return remember(cudaErrorInvalidDevice);
    current = device;
    return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) { return *device = current, cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = 13000, cudaSuccess; }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
    if (device < 0 || device >= options().devices) return remember(cudaErrorInvalidDevice);
    *properties = {};
    std::snprintf(properties->name, sizeof(properties->name), "emulated");
    properties->totalGlobalMem = kMemory;
    properties->sharedMemPerBlock = kSharedByDefault;
    properties->sharedMemPerBlockOptin = options().shared_bytes;
    properties->sharedMemPerMultiprocessor = kSharedOfMultiprocessor;
    properties->regsPerBlock = 65536;
    properties->warpSize = 32;
    properties->maxThreadsPerBlock = 1024;
    properties->maxThreadsPerMultiProcessor = kThreadsOfMultiprocessor;
    properties->maxBlocksPerMultiProcessor = kBlocksOfMultiprocessor;
    for (int axis = 0; axis < 3; ++axis) {
        properties->maxGridSize[axis] = axis == 0 ? 0x7fffffff : 65535;
        properties->maxThreadsDim[axis] = axis == 2 ? 64 : 1024;
    }
    properties->major = options().compute_capability / 10;
    properties->minor = options().compute_capability % 10;
    properties->multiProcessorCount = options().multiprocessors;
    properties->l2CacheSize = 50 << 20;
    properties->persistingL2CacheMaxSize = 32 << 20;
    properties->memoryBusWidth = 6144;
    properties->cooperativeLaunch = properties->concurrentKernels = properties->unifiedAddressing = 1;
    properties->ECCEnabled = 1;
    properties->asyncEngineCount = 3;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
    if (device < 0 || device >= options().devices) return remember(cudaErrorInvalidDevice);
    switch (attribute) {
        case cudaDevAttrMultiProcessorCount:
            *value = options().multiprocessors;
            break;
        case cudaDevAttrClockRate:
            *value = 1'980'000;
            break;
        case cudaDevAttrMemoryClockRate:
            *value = 3'201'000;
            break;
        case cudaDevAttrGlobalMemoryBusWidth:
            *value = 6144;
            break;
        case cudaDevAttrL2CacheSize:
            *value = 50 << 20;
            break;
        case cudaDevAttrComputeCapabilityMajor:
            *value = options().compute_capability / 10;
            break;
        case cudaDevAttrComputeCapabilityMinor:
            *value = options().compute_capability % 10;
            break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin:
            *value = int(options().shared_bytes);
            break;
        default:
            return remember(cudaErrorInvalidValue);
    }
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
    const std::lock_guard lock(mutex);
    *total = kMemory;
    *free = kMemory - std::min(kMemory, used_bytes[current]);
    return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
    *pointer = nullptr;
    if (const cudaError_t error = planted_failure("cudaMalloc"); error != cudaSuccess) return remember(error);
    if (anything_captures()) return remember(cudaErrorStreamCaptureUnsupported);
    std::size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    if (bytes == 0) return cudaSuccess;
    if (bytes <= free) *pointer = DeviceHeap::instance().allocate(bytes);
    if (*pointer == nullptr) return remember(cudaErrorMemoryAllocation);
    const std::lock_guard lock(mutex);
    allocations[*pointer] = {current, bytes};
    used_bytes[current] += bytes;
    count_handle(1);
    return cudaSuccess;
}

cudaError_t cudaFree(void* pointer) {
    if (pointer == nullptr) return cudaSuccess;
    // Called by destructors, also while a Fault is under way: queued work that fails now is only a code.
    cudaError_t status = cudaSuccess;
    try {
        status = cudaDeviceSynchronize();
    } catch (const Fault&) {
        status = cudaErrorLaunchFailure;
    }
    if (!DeviceHeap::instance().release(pointer)) return remember(cudaErrorInvalidValue);
    const std::lock_guard lock(mutex);
    const auto found = allocations.find(pointer);
    used_bytes[found->second.device] -= found->second.bytes;
    allocations.erase(found);
    count_handle(-1);
    return remember(status);
}

cudaError_t cudaHostAlloc(void** pointer, std::size_t bytes, unsigned) {
    *pointer = nullptr;
    if (const cudaError_t error = planted_failure("cudaHostAlloc"); error != cudaSuccess) return remember(error);
    // Pinned memory is scarce: no system pins more than a part of what it has.
    if (const auto memory = host_memory(); memory && bytes > memory->free_bytes / 4)
        return remember(cudaErrorMemoryAllocation);
    if (posix_memalign(pointer, 4096, std::max<std::size_t>(bytes, 1)) != 0) return remember(cudaErrorMemoryAllocation);
    count_handle(1);
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void* pointer) {
    if (pointer != nullptr) count_handle(-1);
    std::free(pointer);
    return cudaSuccess;
}

cudaError_t cudaHostRegister(void*, std::size_t, unsigned) { return cudaSuccess; }
cudaError_t cudaHostUnregister(void*) { return cudaSuccess; }

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
    if (const cudaError_t error = planted_failure("cudaFuncSetAttribute"); error != cudaSuccess) return remember(error);
    const bool is_carveout = attribute == cudaFuncAttributePreferredSharedMemoryCarveout;
    if (is_carveout ? value < -1 || value > 100 : value < 0 || std::size_t(value) > options().shared_bytes)
        return remember(cudaErrorInvalidValue);
    const std::lock_guard lock(mutex);
    FunctionAttributes& attributes = attributes_of_functions[{current, kernel}];
    if (is_carveout)
        attributes.carveout = value;
    else
        attributes.shared_bytes = std::max(std::size_t(value), kSharedByDefault);
    return cudaSuccess;
}

int shared_carveout(const void* kernel) { return attributes_of(current, kernel).carveout; }

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int threads,
                                                          std::size_t shared_bytes) {
    if (threads <= 0 || threads > 1024) return remember(cudaErrorInvalidValue);
    const auto by_shared = int(kSharedOfMultiprocessor / (shared_bytes + kSharedReserved));
    *blocks = std::min({kBlocksOfMultiprocessor, kThreadsOfMultiprocessor / ((threads + 31) / 32 * 32), by_shared});
    return cudaSuccess;
}

cudaError_t enqueue(Kernel kernel, const void* function, cudaStream_t stream) {
    if (device_of(stream) != current) return remember(cudaErrorInvalidResourceHandle);
    if (kernel.programmatic && options().compute_capability < 90) return remember(cudaErrorNotSupported);
    for (const char* call : {"cudaLaunchKernelEx", "programmatic launch"})
        if (call[0] == 'c' || kernel.programmatic)
            if (const cudaError_t error = planted_failure(call); error != cudaSuccess) return remember(error);
    const dim3 grid = kernel.grid, block = kernel.block;
    const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
    const bool good = threads != 0 && threads <= 1024 && block.z <= 64 && grid.x != 0 && grid.y != 0 && grid.z != 0 &&
                      grid.x <= 0x7fffffff && grid.y <= 65535 && grid.z <= 65535;
    if (!good) return remember(cudaErrorInvalidConfiguration);
    if (kernel.shared_bytes > attributes_of(current, function).shared_bytes) return remember(cudaErrorInvalidValue);
    if (kernel.cooperative) {
        int resident = 0;
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, function, int(threads), kernel.shared_bytes);
        if (std::uint64_t{grid.x} * grid.y * grid.z >
            std::uint64_t(resident) * std::uint64_t(options().multiprocessors))
            return remember(cudaErrorCooperativeLaunchTooLarge);
    }
    push(stream, {nullptr, std::make_shared<const Kernel>(std::move(kernel))});
    return cudaSuccess;
}

cudaError_t enqueue(std::function<void()> work, cudaStream_t stream) {
    push(stream, {std::move(work), nullptr});
    return cudaSuccess;
}

}  // namespace vitro::emulation
