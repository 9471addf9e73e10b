// One block of threads: who runs, who waits for what, and what a wait that never ends looked like.
#pragma once

#include "backends/emulation/access_counts.h"
#include "backends/emulation/fiber.h"
#include "backends/emulation/grid.h"
#include "backends/emulation/shared_memory.h"
#include "backends/emulation/types.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

namespace vitro::emulation {

/// A cp.async that was started and not yet waited for.
struct AsyncCopy {
    std::byte* target;
    const std::byte* source;
    unsigned bytes, source_bytes;  // the rest of the target becomes zero
    unsigned group;
    std::array<std::byte, 16> early{};  // of the source, where it was read before the kernel in front had ended
    bool is_early = false;
};

/// A copy by the copy engine that was started and is not yet done.
struct BulkCopy {
    std::byte* target;
    const std::byte* source;
    unsigned bytes;
    Accessor issuer;
    std::vector<std::byte> early;  // of the source, where it was read before the kernel in front had ended; else empty
};

struct Thread;

/// A barrier in shared memory (mbarrier).
struct MemoryBarrierState {
    unsigned maker = 0;  // the thread, and when
    std::uint32_t made = 0;
    unsigned arrivals = 0, pending = 0;  // of a phase, and those still to come in this one
    std::int64_t bytes = 0;              // expected and not yet brought; negative: brought before they were expected
    unsigned phase = 0;
    std::array<std::uint32_t, 32> known{}, known_before{};  // by those who arrived: in this phase, in the one before
    std::vector<Thread*> waiting;
    std::vector<BulkCopy> copies;
};

/// A product of a warp group (wgmma) that was asked for and is not yet done: what its thread gave.
struct GroupProduct {
    int kind;
    bool column_by_column, add;
    float* d;
    const std::uint32_t* a_registers;
    std::array<std::uint32_t, 4> a;  // what they held
    std::vector<float> before;       // what d held
    std::uint64_t b;
    unsigned group;
};

/// Computes a warp operation once all its lanes have come: lanes[i] is what lane i brought, null for lanes not in the
/// mask.
using Complete = void (*)(void* const* lanes, unsigned mask);

enum class Wait : std::uint8_t {
    none,
    warp,
    barrier,
    named_barrier,
    memory_barrier,
    grid,
    previous_kernel,
    spinning,
    ended
};

struct Thread {
    uint3 index{};
    unsigned number = 0;  // linear in its block
    Wait wait = Wait::none;
    bool saw_previous_kernel = false;  // came to wait_for_previous_kernel()
    std::uint32_t synced = 0;          // time of its last synchronization
    Fiber* fiber = nullptr;
    std::source_location site;
    // What it waits with, at a warp operation or a barrier.
    const char* operation = "";
    unsigned mask = 0;
    Complete complete = nullptr;
    void* data = nullptr;
    unsigned spins = 0;
    std::chrono::steady_clock::time_point spins_since;
    std::vector<AsyncCopy> copies;
    unsigned copy_groups = 0;  // committed so far
    std::vector<GroupProduct> products;
    unsigned product_groups = 0;  // committed so far
    unsigned products_started = 0;
    bool products_fenced = false;   // since its last wait for products
    const float* last_d = nullptr;  // of the last product that was done, and what it gave
    std::vector<float> last_values;
    std::uint32_t proxy_fence = 0;  // time of its last fence_async_proxy()
    unsigned registers = 0;         // by set_registers(); 0: as at the launch

    unsigned warp() const { return number / 32; }
    unsigned lane() const { return number % 32; }
    Accessor accessor() const { return {number, synced}; }
};

class Block;

// What this OS thread runs; null outside of kernels.
inline constinit thread_local Thread* current_thread = nullptr;
inline constinit thread_local Block* current_block = nullptr;

class Block {
public:
    Block();
    ~Block();

    /// Makes ready to run block `index` of `kernel`, which must live until the block has ended.
    void reset(const Kernel& kernel, uint3 index);

    enum class State { ended, waits_for_grid, waits_for_previous, spins };
    /// Runs until nothing inside the block can go on. Throws Fault.
    State run();
    /// Lets those go on who wait for something outside; the caller has seen to it that it has come about.
    void release(Wait wait);
    void set_previous_done(bool done) { previous_done_ = done; }

    // The following are called by the running thread.
    void warp_operation(const char* operation, unsigned mask, Complete complete, void* data, std::source_location site);
    void sync_warp(unsigned mask, std::source_location site);
    /// The number of threads whose predicate holds.
    int barrier(const char* operation, bool predicate, std::source_location site);
    void named_barrier(unsigned id, unsigned threads, bool wait, std::source_location site);
    void init_memory_barrier(const void* address, unsigned arrivals, std::source_location site);
    void arrive_at_memory_barrier(const void* address, unsigned expected_bytes, std::source_location site);
    void wait_for_memory_barrier(const void* address, unsigned parity, std::source_location site);
    void start_bulk_copy(std::byte* target, const std::byte* source, unsigned bytes, const void* barrier,
                         std::source_location site);
    void fence_proxy();
    void set_registers(unsigned count, bool more, std::source_location site);
    void check_operand(const std::byte* address, std::size_t bytes);
    void sync_grid(std::source_location site);
    void wait_for_previous_kernel(std::source_location site);
    /// Lets others run; called by loops that wait for another thread's store.
    void spin(std::source_location site);
    /// Ends the launch with a Fault. Does not come back and does not unwind (an access hook may stand where nothing may
    /// throw), so callers keep no other memory.
    [[noreturn]] void fault(std::string what);

    unsigned lanes_of_current_warp() const {
        const Warp& warp = warps_[current_thread->warp()];
        return warp.lanes & ~warp.ended;
    }
    SharedMemory& shared() { return shared_; }
    AccessCounter& accesses() { return accesses_; }
    const SyncClock& clock() const { return clock_; }
    const Kernel& kernel() const { return *kernel_; }

private:
    struct Warp {
        unsigned lanes = 0;      // that exist
        unsigned unstarted = 0;  // bit masks of lanes
        unsigned ready = 0;
        unsigned waiting = 0;  // in a warp operation
        unsigned ended = 0;
    };
    struct NamedBarrier {
        unsigned expected = 0, arrived = 0;
        std::array<std::uint32_t, 32> known{};
        std::vector<Thread*> waiting;
    };

    static void thread_main();
    Thread* next_runnable();
    void park(Wait wait, std::source_location site);
    void give_way();
    void make_ready(Thread& thread);
    void tick();
    void abandon();
    void diagnose();
    MemoryBarrierState& memory_barrier(const void* address, std::source_location site);
    void end_phase_if_complete(MemoryBarrierState& barrier);
    void finish_bulk_copies(MemoryBarrierState& barrier);
    void read_bulk_copies_early();
    bool copies_are_left() const;
    bool groups_are_whole() const;
    bool registers_last() const;
    unsigned registers_at_launch() const;
    std::string describe_threads() const;
    std::string where(const Thread& thread) const;

    const Kernel* kernel_ = nullptr;
    uint3 index_{};
    unsigned thread_count_ = 0, ended_ = 0;
    std::vector<Thread> threads_;
    std::vector<Warp> warps_;
    unsigned runnable_warps_ = 0;
    unsigned running_warp_ = 0;
    SharedMemory shared_;
    SyncClock clock_;
    AccessCounter accesses_;
    // The barrier of the whole block.
    unsigned arrived_ = 0;
    int predicates_ = 0, result_ = 0;
    std::source_location barrier_site_;
    const char* barrier_operation_ = "";
    std::array<NamedBarrier, 16> named_;
    std::map<const void*, MemoryBarrierState> memory_barriers_;
    std::array<unsigned, 9> waits_{};  // how many threads wait so, by Wait
    bool previous_done_ = true;
    Fiber host_;
    std::optional<std::string> fault_;
};

}  // namespace vitro::emulation
