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

/// How rows of a matrix lie in shared memory: eight rows of as many bytes, one after the other, make a block, aligned
/// to its size, in which 16-byte chunks change places, so that eight rows' chunks at one column are in all banks.
enum class Swizzle : std::uint64_t { rows_of_128 = 1, rows_of_64 = 2 };
inline constexpr unsigned row_bytes(Swizzle swizzle) { return swizzle == Swizzle::rows_of_128 ? 128 : 64; }
/// The byte at which a chunk of a row begins, of one block after the other.
template <Swizzle kSwizzle>
__device__ __forceinline__ int place_of_chunk(int row, int chunk) {
    const int other = kSwizzle == Swizzle::rows_of_128 ? chunk ^ (row & 7) : chunk ^ (row >> 1 & 3);
    return row * int(row_bytes(kSwizzle)) + 16 * other;
}
/// `start`, moved to the next multiple of `bytes` in shared memory.
template <class T>
__device__ __forceinline__ T* aligned_in_shared(T* start, unsigned bytes);

/// Where b of multiply_group lies in shared memory, whose values are 16 bits wide.
/// Row by row, b [n, k]: a row is of k, `stride` bytes are from eight rows to the next eight, and `leading` means
/// nothing; the next 16 of k begin 32 bytes further, as long as the row goes.
/// Column by column, b [k, n]: a row is of n, `stride` bytes are from eight of k to the next eight, and `leading` from
/// as many of n as a row has to the next ones.
__device__ __forceinline__ std::uint64_t matrix_in_shared(const void* start, unsigned leading, unsigned stride,
                                                          Swizzle swizzle);

/// d [64, 2 kN] = a [64, 16] · b, or, with `add`, d += it: asked for here, done when wait_for_products() says so. Until
/// then nobody touches d nor writes a or b. Warp w of the group has rows 16 w … 16 w + 15 of a and d, in the order of
/// mma_m16n8k16, eight columns of d after the other. kN is 32, 48 or 64.
template <class T, bool kColumnByColumn, int kN>
__device__ __forceinline__ void multiply_group(float (&d)[kN], const std::uint32_t (&a)[4], std::uint64_t b, bool add,
                                               Site site = Site::current());
/// Before the first product, and whenever registers of a or d were written otherwise.
__device__ __forceinline__ void fence_products();
/// Closes the group of products since the last commit.
__device__ __forceinline__ void commit_products();
/// Waits until at most kPending of the latest groups are under way.
template <int kPending>
__device__ __forceinline__ void wait_for_products(Site site = Site::current());

// --- registers (setmaxnreg), by all four warps of a group: at the launch all groups have as many
// -------------------------

/// Gives registers back: each thread has kCount from here on, a multiple of 8.
template <int kCount>
__device__ __forceinline__ void keep_registers(Site site = Site::current());
/// Waits until others have given back as many as it takes for kCount.
template <int kCount>
__device__ __forceinline__ void take_registers(Site site = Site::current());

}  // namespace vitro::VITRO_DEVICE

#ifdef __CUDACC__
#include "backends/cuda/hopper_device.h"
#else
#include "backends/emulation/hopper_emulated.h"
#endif
