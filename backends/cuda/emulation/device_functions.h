// What CUDA offers inside kernels beside arithmetic: indices, warp operations, barriers, atomics, shared memory.
#pragma once

#include "backends/cuda/emulation/types.h"

#include <bit>
#include <cstring>
#include <source_location>
#include <type_traits>

namespace vitro::emulation {

inline constinit thread_local uint3 threadIdx{};
inline constinit thread_local uint3 blockIdx{};
inline constinit thread_local dim3 blockDim{};
inline constinit thread_local dim3 gridDim{};
inline constexpr int warpSize = 32;

using Site = std::source_location;  // of a call in a kernel, for messages and to tell two barriers apart

/// Runs `complete` once all lanes of `mask` have come here; see block.h.
void warp_operation(const char* operation, unsigned mask, void (*complete)(void* const* lanes, unsigned mask),
                    void* data, Site site);
/// Stops the kernel with a Fault.
[[noreturn]] void fault(const char* what, Site site);

// Checks of accesses that go by functions, not by plain loads and stores.
void check_read(const void* address, std::size_t bytes);
void check_write(const void* address, std::size_t bytes);
void check_atomic(const void* address, std::size_t bytes);
void check_copy(const void* address, std::size_t bytes, bool begins);

// Barriers.
void __syncthreads(Site site = Site::current());
int __syncthreads_count(int predicate, Site site = Site::current());
int __syncthreads_and(int predicate, Site site = Site::current());
int __syncthreads_or(int predicate, Site site = Site::current());
void __syncwarp(unsigned mask = 0xffffffffu, Site site = Site::current());
void named_barrier(unsigned id, unsigned threads, bool wait, Site site);
void sync_grid_of_kernel(Site site);
void wait_for_previous(Site site);
void spin(Site site);
void __threadfence();
void __threadfence_block();
void __threadfence_system();

/// What one lane brings to a warp operation, and takes from it.
template <class T>
struct Exchange {
    T value;
    T result;
    int lane;       // that it wants to read from, or -1 for its own
    bool answered;  // that lane took part
};

template <class T>
void complete_shuffle(void* const* lanes, unsigned mask) {
    for (int lane = 0; lane < 32; ++lane) {
        if ((mask >> lane & 1) == 0) continue;
        auto& own = *static_cast<Exchange<T>*>(lanes[lane]);
        const int from = own.lane;
        own.answered = (mask >> from & 1) != 0;
        if (own.answered) own.result = static_cast<Exchange<T>*>(lanes[from])->value;
    }
}

template <class T>
T shuffle(const char* operation, unsigned mask, T value, int lane, Site site) {
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
    Exchange<T> exchange{value, value, lane, true};
    warp_operation(operation, mask, &complete_shuffle<T>, &exchange, site);
    if (!exchange.answered) fault("shuffles from a lane that is not in the mask (mismatched warp operation)", site);
    return exchange.result;
}

int own_lane();

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32, Site site = Site::current()) {
    const int own = own_lane();
    return shuffle("__shfl_sync", mask, value, (own & ~(width - 1)) | (lane & (width - 1)), site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, Site site = Site::current()) {
    const int own = own_lane(), from = own - int(delta);
    return shuffle("__shfl_up_sync", mask, value, from < (own & ~(width - 1)) ? own : from, site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, Site site = Site::current()) {
    const int own = own_lane(), from = own + int(delta);
    return shuffle("__shfl_down_sync", mask, value, from > (own | (width - 1)) ? own : from, site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, Site site = Site::current()) {
    const int own = own_lane(), from = own ^ lane_mask;
    return shuffle("__shfl_xor_sync", mask, value, from > (own | (width - 1)) ? own : from, site);
}

// Votes.
unsigned __ballot_sync(unsigned mask, int predicate, Site site = Site::current());
unsigned __activemask();
inline int __any_sync(unsigned mask, int predicate, Site site = Site::current()) {
    return __ballot_sync(mask, predicate, site) != 0;
}
inline int __all_sync(unsigned mask, int predicate, Site site = Site::current()) {
    return __ballot_sync(mask, predicate == 0, site) == 0;
}

template <class T, class Operation>
T warp_reduce(const char* name, unsigned mask, T value, Site site) {
    Exchange<T> exchange{value, value, -1, true};
    warp_operation(
        name, mask,
        [](void* const* lanes, unsigned present) {
            T sum = static_cast<Exchange<T>*>(lanes[std::countr_zero(present)])->value;
            for (unsigned rest = present & (present - 1); rest != 0; rest &= rest - 1)
                sum = Operation{}(sum, static_cast<Exchange<T>*>(lanes[std::countr_zero(rest)])->value);
            for (unsigned rest = present; rest != 0; rest &= rest - 1)
                static_cast<Exchange<T>*>(lanes[std::countr_zero(rest)])->result = sum;
        },
        &exchange, site);
    return exchange.result;
}

struct Add {
    template <class T>
    T operator()(T a, T b) const {
        return static_cast<T>(a + b);
    }
};
struct Min {
    template <class T>
    T operator()(T a, T b) const {
        return b < a ? b : a;
    }
};
struct Max {
    template <class T>
    T operator()(T a, T b) const {
        return a < b ? b : a;
    }
};
struct BitAnd {
    unsigned operator()(unsigned a, unsigned b) const { return a & b; }
};
struct BitOr {
    unsigned operator()(unsigned a, unsigned b) const { return a | b; }
};
struct BitXor {
    unsigned operator()(unsigned a, unsigned b) const { return a ^ b; }
};

template <class T>
concept Word = std::is_same_v<T, int> || std::is_same_v<T, unsigned>;

template <Word T>
T __reduce_add_sync(unsigned mask, T value, Site site = Site::current()) {
    return T(warp_reduce<unsigned, Add>("__reduce_add_sync", mask, unsigned(value), site));
}
template <Word T>
T __reduce_min_sync(unsigned mask, T value, Site site = Site::current()) {
    return warp_reduce<T, Min>("__reduce_min_sync", mask, value, site);
}
template <Word T>
T __reduce_max_sync(unsigned mask, T value, Site site = Site::current()) {
    return warp_reduce<T, Max>("__reduce_max_sync", mask, value, site);
}
inline unsigned __reduce_and_sync(unsigned mask, unsigned value, Site site = Site::current()) {
    return warp_reduce<unsigned, BitAnd>("__reduce_and_sync", mask, value, site);
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned value, Site site = Site::current()) {
    return warp_reduce<unsigned, BitOr>("__reduce_or_sync", mask, value, site);
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned value, Site site = Site::current()) {
    return warp_reduce<unsigned, BitXor>("__reduce_xor_sync", mask, value, site);
}

// Atomics, on global and shared memory. All give the value before.
template <class T, class Operation>
T atomic_update(T* address, T value) {
    using Bits = std::conditional_t<sizeof(T) == 4, unsigned, unsigned long long>;
    static_assert(sizeof(T) == sizeof(Bits));
    check_atomic(address, sizeof(T));
    auto* bits = reinterpret_cast<Bits*>(address);
    Bits before = __atomic_load_n(bits, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(bits, &before,
                                        std::bit_cast<Bits>(T(Operation{}(std::bit_cast<T>(before), value))), true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return std::bit_cast<T>(before);
}
template <class T>
using Same = std::type_identity_t<T>;

template <class T>
T atomicAdd(T* address, Same<T> value) {
    return atomic_update<T, Add>(address, value);
}
template <class T>
T atomicSub(T* address, Same<T> value) {
    return atomic_update<T, Add>(address, T(0) - value);
}
template <class T>
T atomicMin(T* address, Same<T> value) {
    return atomic_update<T, Min>(address, value);
}
template <class T>
T atomicMax(T* address, Same<T> value) {
    return atomic_update<T, Max>(address, value);
}
inline unsigned atomicAnd(unsigned* address, unsigned value) { return atomic_update<unsigned, BitAnd>(address, value); }
inline unsigned atomicOr(unsigned* address, unsigned value) { return atomic_update<unsigned, BitOr>(address, value); }
inline unsigned atomicXor(unsigned* address, unsigned value) { return atomic_update<unsigned, BitXor>(address, value); }

struct Replace {
    template <class T>
    T operator()(T, T b) const {
        return b;
    }
};
/// As on the device: counts up to `limit`, then from 0 again.
struct Wrap {
    unsigned operator()(unsigned a, unsigned limit) const { return a >= limit ? 0 : a + 1; }
};
template <class T>
T atomicExch(T* address, Same<T> value) {
    return atomic_update<T, Replace>(address, value);
}
inline unsigned atomicInc(unsigned* address, unsigned limit) { return atomic_update<unsigned, Wrap>(address, limit); }

template <class T>
T atomicCAS(T* address, Same<T> expected, Same<T> value) {
    check_atomic(address, sizeof(T));
    __atomic_compare_exchange_n(address, &expected, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return expected;
}

/// A load that may go through the read-only cache.
template <class T>
T __ldg(const T* address) {
    return *address;
}

/// The dynamic shared memory of the block.
void* dynamic_shared_memory();
/// The block's array that belongs to `key`; see VITRO_SHARED in cuda.h.
void* shared_array(const void* key, const char* name, std::size_t bytes, std::size_t alignment, Site site);

long long clock64();
inline long long clock() { return clock64(); }
void __nanosleep(unsigned nanoseconds, Site site = Site::current());
[[noreturn]] void __trap(Site site = Site::current());

}  // namespace vitro::emulation
