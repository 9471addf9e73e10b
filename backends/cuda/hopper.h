// Instructions that GPUs have from sm_90 on: barriers in shared memory, the copy engine (TMA), and products of four
// warps together (wgmma, of sm_90a alone). nvcc gets inline assembly (hopper_device.h), and for older GPUs a trap; the
// emulation does the same on the CPU (emulation/memory_barriers.cpp, emulation/warp_group.cpp).
#pragma once

#include "backends/cuda/ptx.h"

namespace vitro::VITRO_DEVICE {

// --- barriers in shared memory (mbarrier)
// -----------------------------------------------------------------------------

/// `VITRO_SHARED(MemoryBarrier, full, kStages);`. A phase of a barrier ends when so many threads have arrived as it was
/// made for, and all bytes have come that they expect; then the next one begins. Phases have parities 0, 1, 0, …
struct alignas(8) MemoryBarrier {
    std::uint64_t state;
};

/// By one thread; others may use the barrier after a barrier of the block.
__device__ __forceinline__ void init_barrier(MemoryBarrier* barrier, unsigned arrivals, Site site = Site::current());
/// What this thread has done before is seen by those who wait for the phase.
__device__ __forceinline__ void arrive(MemoryBarrier* barrier, Site site = Site::current());
/// The same, and the phase lasts until copies have brought so many bytes more.
__device__ __forceinline__ void arrive_expecting(MemoryBarrier* barrier, unsigned bytes, Site site = Site::current());
/// Waits until the phase of this parity has ended: the one that is under way, or the one before.
__device__ __forceinline__ void wait_for_phase(MemoryBarrier* barrier, unsigned parity, Site site = Site::current());

// --- copies by the copy engine (cp.async.bulk)
// --------------------------------------------------------------------------

/// One thread asks for a copy of `bytes` from global to shared memory, all of them multiples of 16. Who has waited for
/// the phase of the barrier that expects these bytes may read them.
__device__ __forceinline__ void copy_bulk(void* shared, const void* global, unsigned bytes, MemoryBarrier* barrier,
                                          Site site = Site::current());
/// What this thread has stored into shared memory is seen by the copy engine and by wgmma, after a barrier also what
/// other threads have, each behind its own fence.
__device__ __forceinline__ void fence_async_proxy();

// --- products of a group of four warps, all 128 threads of which call together
// ---------------------------------------------

/// Where a matrix of 16-bit values lies in shared memory: blocks of 8 rows of 16 bytes, one row after the other,
/// `along_k` bytes from one block to the next along k and `along_rows` along the rows, all of them multiples of 16.
__device__ __forceinline__ std::uint64_t matrix_in_shared(const void* start, unsigned along_k, unsigned along_rows);

/// d [64, 8] += a [64, 16] · b [8, 16]ᵀ: asked for here, done when wait_for_products() says so. Until then nobody
/// touches d nor writes b. Warp w of the group has rows 16 w … 16 w + 15 of a and d, in the order of mma_m16n8k16.
template <class T>
__device__ __forceinline__ void multiply_group(float (&d)[4], const std::uint32_t (&a)[4], std::uint64_t b,
                                               Site site = Site::current());
/// Before the first product, and whenever registers of a or d were written otherwise.
__device__ __forceinline__ void fence_products();
/// Closes the group of products since the last commit.
__device__ __forceinline__ void commit_products();
/// Waits until at most kPending of the latest groups are under way.
template <int kPending>
__device__ __forceinline__ void wait_for_products(Site site = Site::current());

}  // namespace vitro::VITRO_DEVICE

#ifdef __CUDACC__
#include "backends/cuda/hopper_device.h"
#else
#include "backends/emulation/hopper_emulated.h"
#endif
