// The access hooks. Emulated kernels are compiled with -fsanitize=thread (cmake/cuda.cmake) but linked without its
// runtime: the compiler calls __tsan_read4() and its like before each access of memory, and here is what they do.
// Accesses of host threads, and of stacks and constants, pass.
#include "backends/emulation/block.h"
#include "backends/emulation/device_functions.h"
#include "backends/emulation/device_heap.h"
#include "backends/emulation/options.h"

#include <fmt/core.h>

#include <cstdint>
#include <cstring>

namespace vitro::emulation {

namespace {

Options current_options;

/// Stops the kernel that runs; a host thread that touches device memory is none of ours.
void forbidden(const char* verb, const void* address, std::size_t bytes) {
    if (current_thread == nullptr) return;
    std::string what =
        fmt::format("{} {} bytes at {}: out of bounds", verb, bytes, DeviceHeap::instance().describe(address));
    current_block->fault(std::move(what));
}

template <Access kAccess>
inline void check(const void* address, std::size_t bytes) {
    const SharedWindow& shared = SharedMemory::window;
    if (shared.contains(address)) {
        if (!current_options.check_accesses) return;
        SharedMemory& memory = current_block->shared();
        if (!memory.check<kAccess>(current_block->clock(), current_thread->accessor(), address, bytes))
            current_block->fault(memory.take_problem());
    } else if (DeviceHeap::contains(address) && !DeviceHeap::accessible(address, bytes) &&
               current_options.check_accesses) {
        forbidden(kAccess == Access::read ? "reads" : "writes", address, bytes);
    }
}

/// Counts an access of a kernel that comes from `place` in its code.
inline void count(const void* address, std::size_t bytes, const void* place, bool is_atomic = false) {
    if (!current_options.count_accesses || current_thread == nullptr) return;
    using Space = AccessCounter::Space;
    const bool shared = SharedMemory::window.contains(address);
    if (!shared && !DeviceHeap::contains(address)) return;
    current_block->accesses().add(current_thread->number, reinterpret_cast<std::uintptr_t>(place),
                                  !shared     ? Space::global
                                  : is_atomic ? Space::shared_atomic
                                              : Space::shared,
                                  address, bytes);
}

// The hardware refuses what is not aligned to its own size.
template <Access kAccess, std::size_t kBytes>
inline void aligned(const void* address, const void* place) {
    if (reinterpret_cast<std::uintptr_t>(address) % kBytes != 0 &&
        (SharedMemory::window.contains(address) || DeviceHeap::contains(address)) && current_thread != nullptr) {
        std::string what = fmt::format("accesses {} bytes at an address that is not a multiple of {}", kBytes, kBytes);
        current_block->fault(std::move(what));
    }
    check<kAccess>(address, kBytes);
    count(address, kBytes, place);
}

template <Access kAccess>
inline void unaligned(const void* address, std::size_t bytes, const void* place) {
    check<kAccess>(address, bytes);
    count(address, bytes, place);
}

}  // namespace

Options& options() { return current_options; }

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

bool accesses_are_checked() { return false; }

void check_read(const void*, std::size_t) {}
void check_write(const void*, std::size_t) {}
void check_atomic(const void*, std::size_t) {}
void check_copy(const void*, std::size_t, bool) {}
void count_access(const void*, std::size_t, Site) {}

}  // namespace vitro::emulation

#else

bool accesses_are_checked() { return true; }

void check_read(const void* address, std::size_t bytes) { check<Access::read>(address, bytes); }
void check_write(const void* address, std::size_t bytes) { check<Access::write>(address, bytes); }
void check_atomic(const void* address, std::size_t bytes) {
    check<Access::atomic>(address, bytes);
    count(address, bytes, __builtin_return_address(0), true);
}
void check_copy(const void* address, std::size_t bytes, bool begins) {
    if (begins)
        check<Access::begin_copy>(address, bytes);
    else
        check<Access::end_copy>(address, bytes);
}

void count_access(const void* address, std::size_t bytes, Site site) {
    // Two accesses of one place, in global and in shared memory, are two instructions here.
    const bool shared = SharedMemory::window.contains(address);
    count(address, bytes, site.file_name() + (std::size_t{site.line()} << 40) + 2 * site.column() + (shared ? 1 : 0));
}

}  // namespace vitro::emulation

using vitro::emulation::Access;
using vitro::emulation::aligned;
using vitro::emulation::unaligned;

// The place in the kernel that a hook was called from.
#define VITRO_CALLER __builtin_return_address(0)

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_read1(void* address) { unaligned<Access::read>(address, 1, VITRO_CALLER); }
void __tsan_read2(void* address) { aligned<Access::read, 2>(address, VITRO_CALLER); }
void __tsan_read4(void* address) { aligned<Access::read, 4>(address, VITRO_CALLER); }
void __tsan_read8(void* address) { aligned<Access::read, 8>(address, VITRO_CALLER); }
void __tsan_read16(void* address) { aligned<Access::read, 16>(address, VITRO_CALLER); }
void __tsan_write1(void* address) { unaligned<Access::write>(address, 1, VITRO_CALLER); }
void __tsan_write2(void* address) { aligned<Access::write, 2>(address, VITRO_CALLER); }
void __tsan_write4(void* address) { aligned<Access::write, 4>(address, VITRO_CALLER); }
void __tsan_write8(void* address) { aligned<Access::write, 8>(address, VITRO_CALLER); }
void __tsan_write16(void* address) { aligned<Access::write, 16>(address, VITRO_CALLER); }
void __tsan_unaligned_read2(void* address) { unaligned<Access::read>(address, 2, VITRO_CALLER); }
void __tsan_unaligned_read4(void* address) { unaligned<Access::read>(address, 4, VITRO_CALLER); }
void __tsan_unaligned_read8(void* address) { unaligned<Access::read>(address, 8, VITRO_CALLER); }
void __tsan_unaligned_read16(void* address) { unaligned<Access::read>(address, 16, VITRO_CALLER); }
void __tsan_unaligned_write2(void* address) { unaligned<Access::write>(address, 2, VITRO_CALLER); }
void __tsan_unaligned_write4(void* address) { unaligned<Access::write>(address, 4, VITRO_CALLER); }
void __tsan_unaligned_write8(void* address) { unaligned<Access::write>(address, 8, VITRO_CALLER); }
void __tsan_unaligned_write16(void* address) { unaligned<Access::write>(address, 16, VITRO_CALLER); }
void __tsan_read_range(void* address, unsigned long bytes) { unaligned<Access::read>(address, bytes, VITRO_CALLER); }
void __tsan_write_range(void* address, unsigned long bytes) { unaligned<Access::write>(address, bytes, VITRO_CALLER); }

#undef VITRO_CALLER

// Atomics come from the standard library's headers, and from atomicAdd() and its like, which check for themselves.
#define VITRO_ATOMICS(bits, type)                                                                                 \
    type __tsan_atomic##bits##_load(const volatile type* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); } \
    void __tsan_atomic##bits##_store(volatile type* p, type v, int) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); } \
    type __tsan_atomic##bits##_exchange(volatile type* p, type v, int) {                                          \
        return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                                                       \
    }                                                                                                             \
    type __tsan_atomic##bits##_fetch_add(volatile type* p, type v, int) {                                         \
        return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);                                                        \
    }                                                                                                             \
    type __tsan_atomic##bits##_fetch_sub(volatile type* p, type v, int) {                                         \
        return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);                                                        \
    }                                                                                                             \
    type __tsan_atomic##bits##_fetch_and(volatile type* p, type v, int) {                                         \
        return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);                                                        \
    }                                                                                                             \
    type __tsan_atomic##bits##_fetch_or(volatile type* p, type v, int) {                                          \
        return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);                                                         \
    }                                                                                                             \
    type __tsan_atomic##bits##_fetch_xor(volatile type* p, type v, int) {                                         \
        return __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST);                                                        \
    }                                                                                                             \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile type* p, type* expected, type v, int, int) {       \
        return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);            \
    }                                                                                                             \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile type* p, type* expected, type v, int, int) {         \
        return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);            \
    }
VITRO_ATOMICS(8, unsigned char)
VITRO_ATOMICS(16, unsigned short)
VITRO_ATOMICS(32, unsigned)
VITRO_ATOMICS(64, unsigned long)
#undef VITRO_ATOMICS
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
}

#endif
