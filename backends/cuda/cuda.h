// What every .cu file of vitro includes in place of CUDA's own headers. Such a file is compiled twice: by nvcc for the
// GPU, and by the C++ compiler against emulation/, which runs the kernels on the CPU and checks them. Both can be in
// one binary, so the code lives in a namespace that differs: `namespace vitro::VITRO_DEVICE { … }` is vitro::cuda or
// vitro::cuda_emulated. README.md tells what a kernel may use.
#pragma once

#ifdef __CUDACC__

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <cuda_runtime.h>

#define VITRO_DEVICE cuda

/// `VITRO_SHARED(float, partial, 32);` in a kernel or device function: an array of the block's shared memory, one for
/// each place in the code. `partial` then acts as a float*.
#define VITRO_SHARED(type, name, count) __shared__ type name[count]

namespace vitro::cuda {

/// What `--device` calls it.
inline constexpr const char* kDeviceName = "cuda";

/// The place of a call, which only the emulation wants to know.
struct Site {
    __host__ __device__ static constexpr Site current() { return {}; }
};

/// The launch's dynamic shared memory from byte `offset` on; aligned to 128 bytes at 0.
template <class T>
__device__ __forceinline__ T* dynamic_shared(std::size_t offset = 0) {
    extern __shared__ __align__(128) unsigned char vitro_dynamic_shared[];
    return reinterpret_cast<T*>(vitro_dynamic_shared + offset);
}

}  // namespace vitro::cuda

#else

#include "backends/emulation/device_functions.h"
#include "backends/emulation/fp8_types.h"
#include "backends/emulation/half_types.h"
#include "backends/emulation/intrinsics.h"
#include "backends/emulation/runtime_api.h"
#include "backends/emulation/types.h"

#define VITRO_DEVICE cuda_emulated

// The key is one object for each place in the code, as the device has it.
#define VITRO_SHARED(type, name, count)                                     \
    type* const name = static_cast<type*>(::vitro::emulation::shared_array( \
        []() -> const void* {                                               \
            static const char key = 0;                                      \
            return &key;                                                    \
        }(),                                                                \
        #name, sizeof(type) * (count), alignof(type), std::source_location::current()))

namespace vitro::cuda_emulated {

using namespace emulation;

inline constexpr const char* kDeviceName = "cuda-emulated";

template <class T>
T* dynamic_shared(std::size_t offset = 0) {
    return reinterpret_cast<T*>(static_cast<std::byte*>(dynamic_shared_memory()) + offset);
}

}  // namespace vitro::cuda_emulated

#endif
