#include "backends/emulation/fiber.h"

#include "base/checked.h"
#include "base/error.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

#if defined(__x86_64__) && !defined(VITRO_EMULATION_UCONTEXT)
#define VITRO_EMULATION_ASSEMBLY_SWITCH
#else
#include <ucontext.h>
#endif

#ifdef VITRO_EMULATION_ASSEMBLY_SWITCH
// Saves what the System V ABI lets a callee clobber not, and swaps stacks.
extern "C" void vitro_emulation_switch(void** from, void* to);
asm(R"(
.text
.p2align 4
.globl vitro_emulation_switch
.hidden vitro_emulation_switch
.type vitro_emulation_switch, @function
vitro_emulation_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size vitro_emulation_switch, .-vitro_emulation_switch
)");
#endif

namespace vitro::emulation {
namespace {

thread_local Fiber* leaving = nullptr;
thread_local Fiber::Entry starting_entry = nullptr;

}  // namespace

void Fiber::start() {
    arrived(nullptr);
    starting_entry();
}

// Tells AddressSanitizer that this stack runs now, and learns from it where an OS thread's own stack lies.
void Fiber::arrived([[maybe_unused]] void* fake_stack) {
#ifdef __SANITIZE_ADDRESS__
    const void* bottom = nullptr;
    std::size_t bytes = 0;
    __sanitizer_finish_switch_fiber(fake_stack, &bottom, &bytes);
    if (leaving->mapping_ == nullptr) {
        leaving->stack_bottom_ = static_cast<std::byte*>(const_cast<void*>(bottom));
        leaving->stack_bytes_ = bytes;
    }
#endif
}

Fiber::Fiber(Entry entry, std::size_t stack_bytes) : entry_(entry) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    stack_bytes_ = round_up(stack_bytes, page);
    mapping_bytes_ = stack_bytes_ + page;
    void* mapping = mmap(nullptr, mapping_bytes_, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED) fail("emulation: no memory for the stack of a CUDA thread ({} bytes)", mapping_bytes_);
    mapping_ = static_cast<std::byte*>(mapping);
    mprotect(mapping_, page, PROT_NONE);
    stack_bottom_ = mapping_ + page;
#ifdef __SANITIZE_THREAD__
    sanitizer_fiber_ = __tsan_create_fiber(0);
#endif
    reset();
}

Fiber::~Fiber() {
#ifndef VITRO_EMULATION_ASSEMBLY_SWITCH
    delete static_cast<ucontext_t*>(context_);
#endif
    if (mapping_ == nullptr) return;
#ifdef __SANITIZE_THREAD__
    __tsan_destroy_fiber(sanitizer_fiber_);
#endif
    munmap(mapping_, mapping_bytes_);
}

void Fiber::reset() {
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(stack_bottom_, stack_bytes_);
#endif
    // Tops are staggered: the busiest frames of all fibers would else share the same few sets of the L1 cache.
    thread_local std::uintptr_t stagger = 0;
    stagger = (stagger + 13 * 64) % 4096;
    std::byte* top = stack_bottom_ + stack_bytes_ - stagger;
#ifdef VITRO_EMULATION_ASSEMBLY_SWITCH
    auto* frame = reinterpret_cast<void**>(top) - 2;
    frame[0] = reinterpret_cast<void*>(&start);
    frame[1] = nullptr;  // where start() would return to
    for (int saved = 1; saved <= 6; ++saved) frame[-saved] = nullptr;
    context_ = frame - 6;
#else
    if (context_ == nullptr) context_ = new ucontext_t;
    auto* context = static_cast<ucontext_t*>(context_);
    getcontext(context);
    context->uc_stack.ss_sp = stack_bottom_;
    context->uc_stack.ss_size = static_cast<std::size_t>(top - stack_bottom_);
    context->uc_link = nullptr;
    makecontext(context, &start, 0);
#endif
}

void Fiber::switch_to(Fiber& from, Fiber& to) {
    starting_entry = to.entry_;
    leaving = &from;
    void* fake_stack = nullptr;
#ifdef __SANITIZE_THREAD__
    if (from.sanitizer_fiber_ == nullptr) from.sanitizer_fiber_ = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to.sanitizer_fiber_, 0);
#endif
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&fake_stack, to.stack_bottom_, to.stack_bytes_);
#endif
#ifdef VITRO_EMULATION_ASSEMBLY_SWITCH
    vitro_emulation_switch(&from.context_, to.context_);
#else
    if (from.context_ == nullptr) from.context_ = new ucontext_t;
    swapcontext(static_cast<ucontext_t*>(from.context_), static_cast<ucontext_t*>(to.context_));
#endif
    arrived(fake_stack);
}

}  // namespace vitro::emulation
