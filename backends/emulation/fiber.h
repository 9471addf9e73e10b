// A fiber: a stack of its own and the registers to go on with. Switching costs a few nanoseconds and no system call.
#pragma once

#include <cstddef>

namespace vitro::emulation {

class Fiber {
public:
    using Entry = void (*)();

    /// Stands for the OS thread that makes it, so that fibers can come back to it.
    Fiber() = default;
    /// Calls `entry`, which must not return, on its own stack at the first switch. Throws Error when memory is short.
    Fiber(Entry entry, std::size_t stack_bytes);
    ~Fiber();
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    /// Forgets whatever the fiber was doing; the next switch calls `entry` anew. Never on the fiber that runs.
    void reset();

    /// Leaves `from`, which runs, and goes on with `to`, on the same OS thread. Returns when something switches to
    /// `from`.
    static void switch_to(Fiber& from, Fiber& to);

private:
    static void start();
    static void arrived(void* fake_stack);

    Entry entry_ = nullptr;
    std::byte* mapping_ = nullptr;  // a guard page, then the stack
    std::size_t mapping_bytes_ = 0;
    std::byte* stack_bottom_ = nullptr;
    std::size_t stack_bytes_ = 0;
    void* context_ = nullptr;          // stack pointer, or ucontext_t
    void* sanitizer_fiber_ = nullptr;  // of ThreadSanitizer
};

}  // namespace vitro::emulation
