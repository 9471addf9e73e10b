// The instructions that CUDA C++ has no words for. nvcc gets inline assembly (ptx_device.h); the emulation does the
// same on the CPU, lane for lane as the PTX manual lays it out (emulation/ptx.cpp).
#pragma once

#include "backends/cuda/cuda.h"

#include <cstdint>

namespace vitro::VITRO_DEVICE {

// --- tensor cores: all 32 lanes of a warp call together. d += a * b. -------------------------------------------------
// With g = lane / 4 and t = lane % 4 a lane holds, two 16-bit values a register, the lower index in the lower half:
//   a [16, 16] row g:     columns 2t, 2t + 1 in a[0] and 2t + 8, 2t + 9 in a[2];  row g + 8: the same in a[1] and a[3]
//   b [16, 8]  column g:  rows 2t, 2t + 1 in b[0] and 2t + 8, 2t + 9 in b[1]
//   d [16, 8]  row g:     columns 2t, 2t + 1 in d[0], d[1];                       row g + 8: the same in d[2], d[3]

/// mma.sync.m16n8k16, T = __nv_bfloat16 or __half, accumulating fp32.
template <class T>
__device__ __forceinline__ void mma_m16n8k16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                                             Site site = Site::current());

/// mma.sync.m16n8k8 of tf32 values (round_to_tf32). a [16, 8]: (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4);
/// b [8, 8]: (t, g), (t + 4, g); d as above.
__device__ __forceinline__ void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4],
                                                 const std::uint32_t (&b)[2], Site site = Site::current());

/// The bits of x rounded to tf32 (10 mantissa bits, nearest, ties away from zero).
__device__ __forceinline__ std::uint32_t round_to_tf32(float x);

/// ldmatrix: loads kCount (1, 2, 4) matrices of 8 x 8 16-bit values from shared memory. Lane 8 i + r gives the address
/// of row r of matrix i, 16 bytes, aligned to 16; each lane gets of matrix i in out[i] row lane / 4, columns 2 t and 2
/// t + 1.
template <int kCount>
__device__ __forceinline__ void ldmatrix(std::uint32_t (&out)[kCount], const void* row, Site site = Site::current());

/// The same of the transposed matrices: rows 2 t and 2 t + 1 of column lane / 4.
template <int kCount>
__device__ __forceinline__ void ldmatrix_transposed(std::uint32_t (&out)[kCount], const void* row,
                                                    Site site = Site::current());

// --- asynchronous copies, global to shared ---------------------------------------------------------------------------

/// Copies kBytes (4, 8, 16), both sides aligned to that; with `keep` false writes zeros and reads nothing. The data is
/// there for this thread after cp_async_wait, for others after a barrier behind it.
template <int kBytes>
__device__ __forceinline__ void cp_async(void* shared, const void* global, bool keep = true,
                                         Site site = Site::current());
/// Closes the group of this thread's copies since the last commit.
__device__ __forceinline__ void cp_async_commit();
/// Waits until at most kPending of this thread's latest groups are still on their way.
template <int kPending>
__device__ __forceinline__ void cp_async_wait();

// --- barriers and order ----------------------------------------------------------------------------------------------

/// Barrier `id` in 1..15 among `threads` threads of the block, a multiple of 32.
__device__ __forceinline__ void named_barrier_sync(unsigned id, unsigned threads, Site site = Site::current());
/// Counts as arrived, and goes on.
__device__ __forceinline__ void named_barrier_arrive(unsigned id, unsigned threads, Site site = Site::current());
/// Barrier of all blocks of a cooperative launch; orders global memory.
__device__ __forceinline__ void sync_grid(Site site = Site::current());

/// In a programmatic launch: waits for the kernels in front to end. Nothing that they write may be read before, nothing
/// that they read may be written. Every thread calls it. Returns at once in an ordinary launch.
__device__ __forceinline__ void wait_for_previous_kernel(Site site = Site::current());
/// Lets the next programmatic launch start, once every block has said so or ended.
__device__ __forceinline__ void allow_next_kernel();

/// A load that later accesses stay behind, for flags other blocks set; call it again in a loop to wait for one.
__device__ __forceinline__ unsigned load_acquire(const unsigned* address, Site site = Site::current());
/// A store that earlier accesses stay in front of.
__device__ __forceinline__ void store_release(unsigned* address, unsigned value);
/// Adds, and returns what was there; both of the above. After a barrier of the block it speaks for the block's other
/// threads too, and before one: what they wrote is seen by the blocks that add later.
__device__ __forceinline__ unsigned add_acquire_release(unsigned* address, unsigned value);

// --- caches ----------------------------------------------------------------------------------------------------------

/// Loads 4, 8 or 16 aligned bytes that this kernel does not write and reads but once, such as weights: past L1, and by
/// whole lines into L2, of which neighbours want the rest.
template <class T>
__device__ __forceinline__ T load_once(const T* address);
/// Asks for the line around an address of global memory to be brought into L2.
__device__ __forceinline__ void prefetch_l2(const void* address);

/// Two floats as f16, the first in the lower half, rounded to nearest even; what is too large becomes the largest f16.
__device__ __forceinline__ unsigned pack_f16_saturated(float low, float high);

/// 2^x, approximately; denormals become zero.
__device__ __forceinline__ float fast_exp2(float x);

}  // namespace vitro::VITRO_DEVICE

#ifdef __CUDACC__
#include "backends/cuda/ptx_device.h"
#else
#include "backends/emulation/ptx_emulated.h"
#endif
