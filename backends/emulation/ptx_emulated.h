// ptx.h on the CPU. Included by ptx.h, at its end, and by nothing else.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace vitro::emulation {

enum class MmaKind { f16, bf16, tf32 };
/// One mma.sync; the registers of the calling lane.
void warp_mma(MmaKind kind, float* d, const std::uint32_t* a, const std::uint32_t* b, Site site);
void warp_ldmatrix(std::uint32_t* out, int count, const void* row, bool transposed, Site site);
void start_copy(void* target, const void* source, unsigned bytes, unsigned source_bytes, Site site);
void commit_copies();
/// Does the copies of all groups but the latest `pending`.
void finish_copies(unsigned pending);
/// Checks that device memory is what a load past the caches may read.
void check_global(const void* address, std::size_t bytes, Site site);

}  // namespace vitro::emulation

namespace vitro::cuda_emulated {

template <class T>
__forceinline__ void mma_m16n8k16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Site site) {
    static_assert(std::is_same_v<T, __half> || std::is_same_v<T, __nv_bfloat16>);
    warp_mma(std::is_same_v<T, __half> ? MmaKind::f16 : MmaKind::bf16, d, a, b, site);
}

__forceinline__ void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                                      Site site) {
    warp_mma(MmaKind::tf32, d, a, b, site);
}

__forceinline__ std::uint32_t round_to_tf32(float x) {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    return std::isfinite(x) ? (bits + 0x1000) & ~0x1fffu : bits;
}

template <int kCount>
__forceinline__ void ldmatrix(std::uint32_t (&out)[kCount], const void* row, Site site) {
    static_assert(kCount == 1 || kCount == 2 || kCount == 4);
    warp_ldmatrix(out, kCount, row, false, site);
}

template <int kCount>
__forceinline__ void ldmatrix_transposed(std::uint32_t (&out)[kCount], const void* row, Site site) {
    static_assert(kCount == 1 || kCount == 2 || kCount == 4);
    warp_ldmatrix(out, kCount, row, true, site);
}

template <int kBytes>
__forceinline__ void cp_async(void* shared, const void* global, bool keep, Site site) {
    static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
    start_copy(shared, global, kBytes, keep ? kBytes : 0, site);
}

__forceinline__ void cp_async_commit() { commit_copies(); }

template <int kPending>
__forceinline__ void cp_async_wait() {
    finish_copies(kPending);
}

__forceinline__ void named_barrier_sync(unsigned id, unsigned threads, Site site) {
    named_barrier(id, threads, true, site);
}
__forceinline__ void named_barrier_arrive(unsigned id, unsigned threads, Site site) {
    named_barrier(id, threads, false, site);
}
__forceinline__ void sync_grid(Site site) { sync_grid_of_kernel(site); }
__forceinline__ void wait_for_previous_kernel(Site site) { wait_for_previous(site); }
__forceinline__ void allow_next_kernel() {}

__forceinline__ unsigned load_acquire(const unsigned* address, Site site) {
    spin(site);  // who waits in a loop lets others run
    check_atomic(address, sizeof(unsigned));
    return __atomic_load_n(address, __ATOMIC_ACQUIRE);
}

__forceinline__ void store_release(unsigned* address, unsigned value) {
    check_atomic(address, sizeof(unsigned));
    __atomic_store_n(address, value, __ATOMIC_RELEASE);
}

__forceinline__ unsigned add_acquire_release(unsigned* address, unsigned value) {
    check_atomic(address, sizeof(unsigned));
    return __atomic_fetch_add(address, value, __ATOMIC_ACQ_REL);
}

template <class T>
__forceinline__ T load_once(const T* address) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 16);
    check_global(address, sizeof(T), Site::current());
    return *address;
}

__forceinline__ void prefetch_l2(const void* address) { check_global(address, 1, Site::current()); }

__forceinline__ unsigned pack_f16_saturated(float low, float high) {
    const auto bits = [](float x) -> unsigned {
        return __half_as_ushort(__float2half_rn(std::isnan(x) ? x : std::clamp(x, -65504.0f, 65504.0f)));
    };
    return bits(low) | bits(high) << 16;
}

__forceinline__ float fast_exp2(float x) { return std::exp2(x); }

}  // namespace vitro::cuda_emulated
