// What CUDA offers inside kernels beside arithmetic: indices, warp operations, barriers, atomics, shared memory.
#pragma once

#include "backends/emulation/types.h"

#include <bit>
#include <functional>
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
/// Counts an access that no check above has counted (see access_counts.h).
void count_access(const void* address, std::size_t bytes, Site site);

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

// Shuffles of values of up to 8 bytes. The work is done outside of the kernel's file, where no access hooks slow it
// down.
enum class Shuffle { index, up, down, exclusive_or };
unsigned long long shuffle_bits(Shuffle kind, unsigned mask, unsigned long long bits, int lane, int width, Site site);

template <class T>
T shuffle(Shuffle kind, unsigned mask, T value, int lane, int width, Site site) {
    static_assert(std::is_trivially_copyable_v<T>);
    if constexpr (sizeof(T) == 8)
        return std::bit_cast<T>(shuffle_bits(kind, mask, std::bit_cast<unsigned long long>(value), lane, width, site));
    else if constexpr (sizeof(T) == 4)
        return std::bit_cast<T>(unsigned(shuffle_bits(kind, mask, std::bit_cast<unsigned>(value), lane, width, site)));
    else
        return std::bit_cast<T>(static_cast<unsigned short>(
            shuffle_bits(kind, mask, std::bit_cast<unsigned short>(value), lane, width, site)));
}
template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32, Site site = Site::current()) {
    return shuffle(Shuffle::index, mask, value, lane, width, site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, Site site = Site::current()) {
    return shuffle(Shuffle::up, mask, value, int(delta), width, site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, Site site = Site::current()) {
    return shuffle(Shuffle::down, mask, value, int(delta), width, site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, Site site = Site::current()) {
    return shuffle(Shuffle::exclusive_or, mask, value, lane_mask, width, site);
}

// Votes and reductions.
unsigned __ballot_sync(unsigned mask, int predicate, Site site = Site::current());
unsigned __activemask();
inline int __any_sync(unsigned mask, int predicate, Site site = Site::current()) {
    return __ballot_sync(mask, predicate, site) != 0;
}
inline int __all_sync(unsigned mask, int predicate, Site site = Site::current()) {
    return __ballot_sync(mask, predicate == 0, site) == 0;
}

enum class Reduction { add, min, max, bit_and, bit_or, bit_xor };
long long warp_reduce(Reduction kind, unsigned mask, long long value, Site site);

template <class T>
concept Word = std::is_same_v<T, int> || std::is_same_v<T, unsigned>;

template <Word T>
T __reduce_add_sync(unsigned mask, T value, Site site = Site::current()) {
    return T(warp_reduce(Reduction::add, mask, value, site));
}
template <Word T>
T __reduce_min_sync(unsigned mask, T value, Site site = Site::current()) {
    return T(warp_reduce(Reduction::min, mask, value, site));
}
template <Word T>
T __reduce_max_sync(unsigned mask, T value, Site site = Site::current()) {
    return T(warp_reduce(Reduction::max, mask, value, site));
}
inline unsigned __reduce_and_sync(unsigned mask, unsigned value, Site site = Site::current()) {
    return unsigned(warp_reduce(Reduction::bit_and, mask, value, site));
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned value, Site site = Site::current()) {
    return unsigned(warp_reduce(Reduction::bit_or, mask, value, site));
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned value, Site site = Site::current()) {
    return unsigned(warp_reduce(Reduction::bit_xor, mask, value, site));
}

// Atomics, on global and shared memory. All give the value before.
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
inline unsigned atomicAnd(unsigned* address, unsigned value) {
    return atomic_update<unsigned, std::bit_and<>>(address, value);
}
inline unsigned atomicOr(unsigned* address, unsigned value) {
    return atomic_update<unsigned, std::bit_or<>>(address, value);
}
inline unsigned atomicXor(unsigned* address, unsigned value) {
    return atomic_update<unsigned, std::bit_xor<>>(address, value);
}

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

// The compiler's access hooks do not see into these two.
inline void* memcpy(void* target, const void* source, std::size_t bytes) {
    check_read(source, bytes);
    check_write(target, bytes);
    return __builtin_memcpy(target, source, bytes);
}
inline void* memset(void* target, int value, std::size_t bytes) {
    check_write(target, bytes);
    return __builtin_memset(target, value, bytes);
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
