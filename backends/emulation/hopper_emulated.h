// hopper.h on the CPU. Included by hopper.h, at its end, and by nothing else.
#pragma once

namespace vitro::emulation {

void init_memory_barrier(void* barrier, unsigned arrivals, Site site);
void arrive_at_memory_barrier(void* barrier, unsigned expected_bytes, Site site);
void wait_for_memory_barrier(void* barrier, unsigned parity, Site site);
void start_bulk_copy(void* target, const void* source, unsigned bytes, void* barrier, Site site);
/// A place in shared memory, two distances in bytes, and the kind of swizzle.
std::uint64_t describe_matrix(const void* start, unsigned leading, unsigned stride, unsigned swizzle);
/// What a thread gives to a product of four warps; those of d are written when the product is done.
struct ProductOperands {
    MmaKind kind;
    bool column_by_column, add;
    unsigned count;  // of d
    float* d;
    const std::uint32_t* a;
    std::uint64_t b;
};
void start_product(const ProductOperands& given, Site site);
std::size_t place_in_shared(const void* address);
void set_registers(unsigned count, bool more, Site site);
void note_proxy_fence();
void fence_of_products();
void commit_group_of_products();
void finish_products(unsigned pending, Site site);

}  // namespace vitro::emulation

namespace vitro::cuda_emulated {

__forceinline__ void init_barrier(MemoryBarrier* barrier, unsigned arrivals, Site site) {
    init_memory_barrier(barrier, arrivals, site);
}
__forceinline__ void arrive(MemoryBarrier* barrier, Site site) { arrive_at_memory_barrier(barrier, 0, site); }
__forceinline__ void arrive_expecting(MemoryBarrier* barrier, unsigned bytes, Site site) {
    arrive_at_memory_barrier(barrier, bytes, site);
}
__forceinline__ void wait_for_phase(MemoryBarrier* barrier, unsigned parity, Site site) {
    wait_for_memory_barrier(barrier, parity, site);
}
__forceinline__ void copy_bulk(void* shared, const void* global, unsigned bytes, MemoryBarrier* barrier, Site site) {
    start_bulk_copy(shared, global, bytes, barrier, site);
}
__forceinline__ void fence_async_proxy() { note_proxy_fence(); }

template <class T>
__forceinline__ T* aligned_in_shared(T* start, unsigned bytes) {
    return reinterpret_cast<T*>(reinterpret_cast<std::byte*>(start) + (-place_in_shared(start) & (bytes - 1)));
}
__forceinline__ std::uint64_t matrix_in_shared(const void* start, unsigned leading, unsigned stride, Swizzle swizzle) {
    return describe_matrix(start, leading, stride, static_cast<unsigned>(swizzle));
}
template <class T, bool kColumnByColumn, int kN>
__forceinline__ void multiply_group(float (&d)[kN], const std::uint32_t (&a)[4], std::uint64_t b, bool add, Site site) {
    static_assert(std::is_same_v<T, __half> || std::is_same_v<T, __nv_bfloat16>);
    static_assert(kN == 32 || kN == 48 || kN == 64);
    start_product({std::is_same_v<T, __half> ? MmaKind::f16 : MmaKind::bf16, kColumnByColumn, add, kN, d, a, b}, site);
}
__forceinline__ void fence_products() { fence_of_products(); }
__forceinline__ void commit_products() { commit_group_of_products(); }
template <int kPending>
__forceinline__ void wait_for_products(Site site) {
    finish_products(kPending, site);
}

template <int kCount>
__forceinline__ void keep_registers(Site site) {
    static_assert(kCount >= 24 && kCount <= 256 && kCount % 8 == 0);
    set_registers(kCount, false, site);
}
template <int kCount>
__forceinline__ void take_registers(Site site) {
    static_assert(kCount >= 24 && kCount <= 256 && kCount % 8 == 0);
    set_registers(kCount, true, site);
}

}  // namespace vitro::cuda_emulated
