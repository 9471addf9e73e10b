// hopper.h for the GPU: one inline assembly statement each. Included by hopper.h, at its end, and by nothing else.
#pragma once

namespace vitro::cuda {

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
#define VITRO_SINCE_SM_90(...) __trap()
#else
#define VITRO_SINCE_SM_90(...) __VA_ARGS__
#endif
#ifdef __CUDA_ARCH_FEAT_SM90_ALL
#define VITRO_SM_90A(...) __VA_ARGS__
#else
#define VITRO_SM_90A(...) __trap()
#endif

__device__ __forceinline__ void init_barrier(MemoryBarrier* barrier, unsigned arrivals, Site) {
    VITRO_SINCE_SM_90(
        asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n\tfence.mbarrier_init.release.cluster;" ::"r"(
                         shared_address(barrier)),
                     "r"(arrivals)
                     : "memory"));
}

__device__ __forceinline__ void arrive(MemoryBarrier* barrier, Site) {
    VITRO_SINCE_SM_90(asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier))
                                   : "memory"));
}

__device__ __forceinline__ void arrive_expecting(MemoryBarrier* barrier, unsigned bytes, Site) {
    VITRO_SINCE_SM_90(
        asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
                     : "memory"));
}

__device__ __forceinline__ void wait_for_phase(MemoryBarrier* barrier, unsigned parity, Site) {
    unsigned done = 0;
    do {
        VITRO_SINCE_SM_90(
            asm volatile("{\n\t.reg .pred p;\n\tmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n\t"
                         "selp.u32 %0, 1, 0, p;\n\t}"
                         : "=r"(done)
                         : "r"(shared_address(barrier)), "r"(parity)
                         : "memory"));
    } while (done == 0);
}

__device__ __forceinline__ void copy_bulk(void* shared, const void* global, unsigned bytes, MemoryBarrier* barrier,
                                          Site) {
    VITRO_SINCE_SM_90(
        asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                         shared_address(shared)),
                     "l"(global), "r"(bytes), "r"(shared_address(barrier))
                     : "memory"));
}

__device__ __forceinline__ void fence_async_proxy() {
    VITRO_SINCE_SM_90(asm volatile("fence.proxy.async.shared::cta;" ::: "memory"));
}

// PTX manual, "Matrix Descriptor Format": addresses and distances in units of 16 bytes, no swizzle.
__device__ __forceinline__ std::uint64_t matrix_in_shared(const void* start, unsigned along_k, unsigned along_rows) {
    const auto units = [](unsigned bytes) { return std::uint64_t{(bytes & 0x3ffffu) >> 4}; };
    return units(shared_address(start)) | units(along_k) << 16 | units(along_rows) << 32;
}

template <class T>
__device__ __forceinline__ void multiply_group(float (&d)[4], const std::uint32_t (&a)[4], std::uint64_t b, Site) {
    static_assert(std::is_same_v<T, __half> || std::is_same_v<T, __nv_bfloat16>);
    if constexpr (std::is_same_v<T, __half>)
        VITRO_SM_90A(asm volatile(
            "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%0,%1,%2,%3}, {%4,%5,%6,%7}, %8, 1, 1, 1, 0;"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b)));
    else
        VITRO_SM_90A(asm volatile(
            "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0,%1,%2,%3}, {%4,%5,%6,%7}, %8, 1, 1, 1, 0;"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b)));
}

__device__ __forceinline__ void fence_products() {
    VITRO_SM_90A(asm volatile("wgmma.fence.sync.aligned;" ::: "memory"));
}

__device__ __forceinline__ void commit_products() {
    VITRO_SM_90A(asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"));
}

template <int kPending>
__device__ __forceinline__ void wait_for_products(Site) {
    VITRO_SM_90A(asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory"));
}

#undef VITRO_SINCE_SM_90
#undef VITRO_SM_90A

}  // namespace vitro::cuda
