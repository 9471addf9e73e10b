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

// One statement, so that the compiler sees no branch between products that are under way.
__device__ __forceinline__ void wait_for_phase(MemoryBarrier* barrier, unsigned parity, Site) {
    VITRO_SINCE_SM_90(
        asm volatile("{\n\t.reg .pred p;\nwait:\n\tmbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\n\t"
                     "@p bra done;\n\tbra wait;\ndone:\n\t}" ::"r"(shared_address(barrier)),
                     "r"(parity)
                     : "memory"));
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

template <class T>
__device__ __forceinline__ T* aligned_in_shared(T* start, unsigned bytes) {
    return reinterpret_cast<T*>(reinterpret_cast<std::byte*>(start) + (-shared_address(start) & (bytes - 1)));
}

// PTX manual, "Matrix Descriptor Format": addresses and distances in units of 16 bytes.
__device__ __forceinline__ std::uint64_t matrix_in_shared(const void* start, unsigned leading, unsigned stride,
                                                          Swizzle swizzle) {
    const auto units = [](unsigned bytes) { return std::uint64_t{(bytes & 0x3ffffu) >> 4}; };
    return units(shared_address(start)) | units(leading) << 16 | units(stride) << 32 |
           static_cast<std::uint64_t>(swizzle) << 62;
}

#define VITRO_D4(i) "+f"(d[i]), "+f"(d[(i) + 1]), "+f"(d[(i) + 2]), "+f"(d[(i) + 3])
#define VITRO_D16(i) VITRO_D4(i), VITRO_D4((i) + 4), VITRO_D4((i) + 8), VITRO_D4((i) + 12)
#define VITRO_R16_0 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"
#define VITRO_R16_1 "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define VITRO_R16_2 "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47"
#define VITRO_R16_3 "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
// Columns; registers of d, of a, of b's description, of `add` and of the order; what d is.
#define VITRO_PRODUCT(columns, type, d_list, a_list, b, add_or_not, order, ...)                                \
    VITRO_SM_90A(asm volatile(                                                                                 \
        "{\n\t.reg .pred p;\n\tsetp.ne.b32 p, " add_or_not ", 0;\n\twgmma.mma_async.sync.aligned.m64n" columns \
        "k16.f32." type "." type " {" d_list "}, {" a_list "}, " b ", p, 1, 1, " order ";\n\t}"                \
        : __VA_ARGS__                                                                                          \
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b_in_shared), "r"(int(add)), "n"(int(kColumnByColumn))))
#define VITRO_PRODUCTS(type)                                                                                           \
    if constexpr (kN == 32)                                                                                            \
        VITRO_PRODUCT("64", type, VITRO_R16_0 "," VITRO_R16_1, "%32,%33,%34,%35", "%36", "%37", "%38", VITRO_D16(0),   \
                      VITRO_D16(16));                                                                                  \
    else if constexpr (kN == 48)                                                                                       \
        VITRO_PRODUCT("96", type, VITRO_R16_0 "," VITRO_R16_1 "," VITRO_R16_2, "%48,%49,%50,%51", "%52", "%53", "%54", \
                      VITRO_D16(0), VITRO_D16(16), VITRO_D16(32));                                                     \
    else                                                                                                               \
        VITRO_PRODUCT("128", type, VITRO_R16_0 "," VITRO_R16_1 "," VITRO_R16_2 "," VITRO_R16_3, "%64,%65,%66,%67",     \
                      "%68", "%69", "%70", VITRO_D16(0), VITRO_D16(16), VITRO_D16(32), VITRO_D16(48))

template <class T, bool kColumnByColumn, int kN>
__device__ __forceinline__ void multiply_group(float (&d)[kN], const std::uint32_t (&a)[4], std::uint64_t b_in_shared,
                                               bool add, Site) {
    static_assert(std::is_same_v<T, __half> || std::is_same_v<T, __nv_bfloat16>);
    static_assert(kN == 32 || kN == 48 || kN == 64);
    if constexpr (std::is_same_v<T, __half>) {
        VITRO_PRODUCTS("f16");
    } else {
        VITRO_PRODUCTS("bf16");
    }
}

#undef VITRO_D4
#undef VITRO_D16
#undef VITRO_R16_0
#undef VITRO_R16_1
#undef VITRO_R16_2
#undef VITRO_R16_3
#undef VITRO_PRODUCT
#undef VITRO_PRODUCTS

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

template <int kCount>
__device__ __forceinline__ void keep_registers(Site) {
    static_assert(kCount >= 24 && kCount <= 256 && kCount % 8 == 0);
    VITRO_SM_90A(asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kCount)));
}

template <int kCount>
__device__ __forceinline__ void take_registers(Site) {
    static_assert(kCount >= 24 && kCount <= 256 && kCount % 8 == 0);
    VITRO_SM_90A(asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kCount)));
}

#undef VITRO_SINCE_SM_90
#undef VITRO_SM_90A

}  // namespace vitro::cuda
