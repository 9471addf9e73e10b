// The emulated device: what it pretends to be, and what happens when a kernel does something a GPU would not forgive.
#pragma once

#include "base/error.h"

#include <cstddef>

namespace vitro::emulation {

/// A kernel's mistake. The text names the kernel, the block, the thread and what it did. It is thrown on the host by
/// the call that made the work run: a synchronization, a copy that waits, or a graph launch's synchronization.
class Fault : public Error {
public:
    using Error::Error;
};

struct Options {
    int workers = 0;  // OS threads that run blocks; 0: usable_threads()
    int devices = 1;  // that there are; all alike, each with a memory of its own
    int compute_capability = 90;
    int multiprocessors = 8;  // what the device says it has: few, so that persistent kernels stay cheap to run here
    std::size_t shared_bytes = 227 * 1024;  // that a block may have; at most those of sm_90
    bool check_accesses = true;
    bool count_accesses = false;  // see access_counts.h
    /// A programmatic launch runs up to its wait_for_previous_kernel() *before* the kernel in front of it: what it
    /// reads too early is then truly old.
    bool overlap_programmatic_launches = true;
    double patience_seconds = 20;          // after its first wait in load_acquire() a thread may still wait so long
    std::size_t stack_bytes = 128 * 1024;  // of one CUDA thread
};

/// The options in force. Change them only while no work is queued.
Options& options();

/// True in builds whose kernels are compiled with access hooks: bounds of global and shared memory, reads of unwritten
/// shared memory and races on it are then found. Builds under AddressSanitizer or ThreadSanitizer have those instead.
bool accesses_are_checked();

/// Makes [pointer, pointer + bytes) of device memory forbidden to kernels and copies, for the gaps of an arena;
/// unpoison allows it again. Both round inwards to 8 bytes. The range must lie in one allocation.
void poison(const void* pointer, std::size_t bytes);
void unpoison(const void* pointer, std::size_t bytes);

}  // namespace vitro::emulation
