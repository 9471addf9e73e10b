#include "backends/emulation/block.h"

#include "backends/emulation/device_functions.h"
#include "backends/emulation/options.h"

#include <fmt/core.h>

#include <bit>
#include <chrono>
#include <cstring>
#include <utility>

namespace vitro::emulation {
namespace {

/// Fibers that rest between threads, of one OS thread.
struct FiberPool {
    std::vector<std::unique_ptr<Fiber>> all;
    std::vector<Fiber*> resting;

    Fiber* take(Fiber::Entry entry) {
        if (resting.empty()) {
            all.push_back(std::make_unique<Fiber>(entry, options().stack_bytes));
            return all.back().get();
        }
        Fiber* fiber = resting.back();
        resting.pop_back();
        return fiber;
    }
};
thread_local FiberPool fibers;

void become(Thread* thread) {
    current_thread = thread;
    if (thread != nullptr) threadIdx = thread->index;
}

bool same_place(const std::source_location& a, const std::source_location& b) {
    if (std::memcmp(&a, &b, sizeof(a)) == 0) return true;
    return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

std::string text(const std::source_location& site) { return fmt::format("{}:{}", site.file_name(), site.line()); }

}  // namespace

Block::Block() = default;
Block::~Block() { abandon(); }

void Block::reset(const Kernel& kernel, uint3 index) {
    kernel_ = &kernel;
    index_ = index;
    const dim3 size = kernel.block;
    thread_count_ = size.x * size.y * size.z;
    ended_ = 0;
    threads_.resize(thread_count_);
    warps_.assign((thread_count_ + 31) / 32, Warp{});
    for (unsigned number = 0; number < thread_count_; ++number) {
        Thread& thread = threads_[number];
        thread.index = {number % size.x, number / size.x % size.y, number / size.x / size.y};
        thread.number = number;
        thread.wait = Wait::none;
        thread.saw_previous_kernel = false;
        thread.synced = 0;
        thread.fiber = nullptr;
        thread.spins = 0;
        thread.copies.clear();
        thread.copy_groups = 0;
        thread.products.clear();
        thread.product_groups = 0;
        thread.products_started = 0;
        thread.registers = 0;
        thread.products_fenced = false;
        thread.last_d = nullptr;
        thread.proxy_fence = 0;
        warps_[number / 32].lanes |= 1u << number % 32;
    }
    for (Warp& warp : warps_) warp.unstarted = warp.lanes;
    runnable_warps_ = warps_.size() == 32 ? ~0u : (1u << warps_.size()) - 1;
    running_warp_ = 0;
    arrived_ = 0;
    predicates_ = 0;
    for (NamedBarrier& barrier : named_) {
        barrier.expected = barrier.arrived = 0;
        barrier.waiting.clear();
    }
    memory_barriers_.clear();
    waits_.fill(0);
    shared_.reset(kernel.shared_bytes);
    clock_.reset(unsigned(warps_.size()));
    fault_.reset();
}

// What a fiber does all its life: run one thread after another, as long as there is one that has not started.
void Block::thread_main() {
    for (;;) {
        Block& block = *current_block;
        Thread& self = *current_thread;
        std::optional<std::string> thrown;
        try {
            block.kernel_->body();
        } catch (const std::exception& error) {
            thrown = error.what();
        }
        if (thrown) block.fault("throws: " + *std::exchange(thrown, std::nullopt));
        self.wait = Wait::ended;
        block.warps_[self.warp()].ended |= 1u << self.lane();
        ++block.ended_;
        Thread* next = block.next_runnable();
        if (next != nullptr && next->fiber == nullptr) {
            next->fiber = std::exchange(self.fiber, nullptr);
            become(next);
            continue;
        }
        Fiber& own = *std::exchange(self.fiber, nullptr);
        fibers.resting.push_back(&own);
        become(next);
        Fiber::switch_to(own, next != nullptr ? *next->fiber : block.host_);
    }
}

// Stays in the warp that runs while it can: its data is in the cache, and its lanes are soon needed together.
Thread* Block::next_runnable() {
    for (;;) {
        if ((runnable_warps_ >> running_warp_ & 1) == 0) {
            if (runnable_warps_ == 0) return nullptr;
            const unsigned later = running_warp_ == 31 ? 0 : runnable_warps_ & (~0u << (running_warp_ + 1));
            running_warp_ = unsigned(std::countr_zero(later != 0 ? later : runnable_warps_));
        }
        Warp& warp = warps_[running_warp_];
        unsigned& lanes = warp.unstarted != 0 ? warp.unstarted : warp.ready;
        if (lanes != 0) {
            Thread& thread = threads_[running_warp_ * 32 + unsigned(std::countr_zero(lanes))];
            lanes &= lanes - 1;
            return &thread;
        }
        runnable_warps_ &= ~(1u << running_warp_);
    }
}

void Block::make_ready(Thread& thread) {
    if (thread.wait != Wait::warp) --waits_[std::size_t(thread.wait)];
    thread.wait = Wait::none;
    warps_[thread.warp()].ready |= 1u << thread.lane();
    runnable_warps_ |= 1u << thread.warp();
}

// Leaves the running thread, which has said what it waits for, for another one.
void Block::give_way() {
    Fiber& own = *current_thread->fiber;
    Thread* next = next_runnable();
    if (next != nullptr && next->fiber == nullptr) next->fiber = fibers.take(&Block::thread_main);
    become(next);
    Fiber::switch_to(own, next != nullptr ? *next->fiber : host_);
}

void Block::park(Wait wait, std::source_location site) {
    current_thread->wait = wait;
    current_thread->site = site;
    ++waits_[std::size_t(wait)];
    give_way();
}

Block::State Block::run() {
    current_block = this;
    shared_.enter();
    blockIdx = index_;
    blockDim = kernel_->block;
    gridDim = kernel_->grid;
    if (Thread* next = next_runnable()) {
        if (next->fiber == nullptr) next->fiber = fibers.take(&Block::thread_main);
        become(next);
        Fiber::switch_to(host_, *next->fiber);
    }
    become(nullptr);
    current_block = nullptr;
    SharedMemory::leave();
    if (!fault_ && ended_ == thread_count_) {
        if (kernel_->programmatic)
            for (const Thread& thread : threads_)
                if (!thread.saw_previous_kernel && !fault_)
                    fault_ = where(thread) + ": ends without wait_for_previous_kernel(), in a programmatic launch";
        if (copies_are_left() && !fault_)
            fault_ = where(threads_[0]) + ": the block ends while a copy_bulk is on its way (missing wait_for_phase)";
        for (const Thread& thread : threads_)
            if (!thread.products.empty() && !fault_)
                fault_ = where(thread) + ": ends while a product is under way (missing wait_for_products)";
        if (!groups_are_whole() && !fault_)
            fault_ = where(threads_[0]) +
                     ": a group of four warps has asked for a product or for registers, but not all of them as often "
                     "(mismatched warp group)";
        if (!registers_last() && !fault_)
            fault_ = where(threads_[0]) +
                     ": waits forever at take_registers, for more registers than a multiprocessor has "
                     "(missing keep_registers)";
        if (!fault_) {
            if (options().count_accesses) {
                AccessCounts counts = accesses_.take();
                counts.kernel = kernel_->name;
                counts.size.static_shared = static_cast<std::int64_t>(shared_.static_bytes());
                add_access_counts(counts);
            }
            return State::ended;
        }
    }
    if (!fault_) {
        if (waits_[std::size_t(Wait::spinning)] != 0) return State::spins;
        if (waits_[std::size_t(Wait::previous_kernel)] != 0) return State::waits_for_previous;
        if (waits_[std::size_t(Wait::grid)] == thread_count_) return State::waits_for_grid;
        diagnose();
    }
    abandon();
    throw Fault(*fault_);
}

// Threads that will not go on leave their stacks behind.
void Block::abandon() {
    for (Thread& thread : threads_)
        if (thread.fiber != nullptr) {
            thread.fiber->reset();
            fibers.resting.push_back(std::exchange(thread.fiber, nullptr));
        }
}

void Block::release(Wait wait) {
    for (Thread& thread : threads_)
        if (thread.wait == wait) make_ready(thread);
    if (wait == Wait::grid) {
        clock_.everybody_met();
        for (Thread& thread : threads_) thread.synced = clock_.everybody();
    }
}

void Block::warp_operation(const char* operation, unsigned mask, Complete complete, void* data,
                           std::source_location site) {
    Thread& self = *current_thread;
    Warp& warp = warps_[self.warp()];
    const unsigned bit = 1u << self.lane();
    if ((mask & bit) == 0) {
        std::string what =
            fmt::format("calls {} at {} with mask {:#010x}, which lacks its own lane (mismatched warp operation)",
                        operation, text(site), mask);
        fault(std::move(what));
    }
    self.operation = operation;
    self.mask = mask;
    self.complete = complete;
    self.data = data;
    self.site = site;
    warp.waiting |= bit;
    const unsigned lanes = mask & warp.lanes;
    if ((warp.waiting & lanes) != lanes) {
        self.wait = Wait::warp;
        give_way();
        return;
    }
    void* data_of[32] = {};
    Thread* first = &threads_[self.warp() * 32];
    for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
        const auto lane = unsigned(std::countr_zero(rest));
        Thread& other = first[lane];
        if (other.mask != mask || other.complete != complete || !same_place(other.site, site)) {
            std::string what = fmt::format(
                "calls {} at {} with mask {:#010x}, while lane {} calls {} at {} with mask {:#010x} "
                "(mismatched warp operation)",
                operation, text(site), mask, lane, other.operation, text(other.site), other.mask);
            fault(std::move(what));
        }
        data_of[lane] = other.data;
        other.wait = Wait::none;
    }
    complete(data_of, lanes);
    if (options().count_accesses && lanes == (warp.lanes & ~warp.ended)) accesses_.finish_warp(self.warp());
    warp.waiting &= ~lanes;
    warp.ready |= lanes & ~bit;
    runnable_warps_ |= 1u << self.warp();
}

void Block::sync_warp(unsigned mask, std::source_location site) {
    warp_operation(
        "__syncwarp", mask,
        [](void* const*, unsigned lanes) {
            Block& block = *current_block;
            Thread* first = &block.threads_[current_thread->warp() * 32];
            for (unsigned rest = lanes; rest != 0; rest &= rest - 1)
                first[std::countr_zero(rest)].synced = block.clock_.now();
            block.tick();
        },
        nullptr, site);
}

// Time has 21 bits in a stamp.
void Block::tick() {
    clock_.advance();
    if (clock_.now() < 1u << 20) return;
    clock_.restart();
    shared_.forget_order();
    for (Thread& thread : threads_) thread.synced = 0;
}

int Block::barrier(const char* operation, bool predicate, std::source_location site) {
    if (arrived_ != 0 && (!same_place(barrier_site_, site) || barrier_operation_ != operation)) {
        std::string what = fmt::format("waits at {} at {}, while other threads wait at {} at {} (divergent barrier)",
                                       operation, text(site), barrier_operation_, text(barrier_site_));
        fault(std::move(what));
    }
    barrier_site_ = site;
    barrier_operation_ = operation;
    predicates_ += predicate;
    current_thread->operation = operation;
    if (++arrived_ < thread_count_) {
        park(Wait::barrier, site);
        return result_;
    }
    result_ = predicates_;
    arrived_ = 0;
    predicates_ = 0;
    clock_.everybody_met();
    tick();
    if (options().count_accesses) accesses_.finish_warps();
    for (Thread& thread : threads_) thread.synced = clock_.everybody();
    for (Warp& warp : warps_) warp.ready = warp.lanes;
    for (Thread& thread : threads_) thread.wait = Wait::none;
    warps_[current_thread->warp()].ready &= ~(1u << current_thread->lane());
    waits_[std::size_t(Wait::barrier)] = 0;
    runnable_warps_ = warps_.size() == 32 ? ~0u : (1u << warps_.size()) - 1;
    return result_;
}

void Block::named_barrier(unsigned id, unsigned threads, bool wait, std::source_location site) {
    const char* operation = wait ? "bar.sync" : "bar.arrive";
    if (id == 0 || id > 15 || threads == 0 || threads % 32 != 0 || threads > thread_count_) {
        std::string what = fmt::format(
            "calls {} at {} with barrier {} and {} threads: wants a barrier in 1..15 and a multiple of 32 "
            "threads, at most the block's {}",
            operation, text(site), id, threads, thread_count_);
        fault(std::move(what));
    }
    NamedBarrier& barrier = named_[id];
    if (barrier.arrived != 0 && barrier.expected != threads) {
        std::string what =
            fmt::format("calls {} at {} on barrier {} with {} threads, while others count {} (divergent barrier)",
                        operation, text(site), id, threads, barrier.expected);
        fault(std::move(what));
    }
    if (barrier.arrived == 0) barrier.known.fill(0);
    barrier.expected = threads;
    const unsigned warp = current_thread->warp();
    for (unsigned i = 0; i < 32; ++i) barrier.known[i] = std::max(barrier.known[i], clock_.known(warp)[i]);
    barrier.known[warp] = clock_.now();
    if (wait) barrier.waiting.push_back(current_thread);
    if (++barrier.arrived < threads) {
        if (!wait) return tick();
        current_thread->operation = operation;
        return park(Wait::named_barrier, site);
    }
    for (Thread* thread : barrier.waiting) {
        clock_.learn(thread->warp(), barrier.known);
        thread->synced = clock_.now();
        if (thread != current_thread) make_ready(*thread);
    }
    barrier.arrived = 0;
    barrier.waiting.clear();
    tick();
}

void Block::sync_grid(std::source_location site) {
    if (!kernel_->cooperative) {
        std::string what = fmt::format("calls sync_grid at {} in a launch that is not cooperative", text(site));
        fault(std::move(what));
    }
    current_thread->operation = "sync_grid";
    park(Wait::grid, site);
}

void Block::wait_for_previous_kernel(std::source_location site) {
    current_thread->saw_previous_kernel = true;
    if (previous_done_) return;
    // Copies that are on their way may have read already.
    read_bulk_copies_early();
    for (AsyncCopy& copy : current_thread->copies) {
        if (!std::exchange(copy.is_early, true) && copy.source_bytes != 0)
            std::memcpy(copy.early.data(), copy.source, copy.source_bytes);
    }
    current_thread->operation = "wait_for_previous_kernel";
    park(Wait::previous_kernel, site);
}

void Block::spin(std::source_location site) {
    using Clock = std::chrono::steady_clock;
    current_thread->operation = "a loop that waits for memory";
    if (current_thread->spins++ == 0) {
        current_thread->spins_since = Clock::now();
    } else if (Clock::now() - current_thread->spins_since > std::chrono::duration<double>(options().patience_seconds)) {
        std::string what = fmt::format("waits at {} for a value in memory that never comes", text(site));
        fault(std::move(what));
    }
    park(Wait::spinning, site);
}

void Block::fault(std::string what) {
    fault_ = where(*current_thread) + ": " + what;
    std::string().swap(what);
    Thread& self = *current_thread;
    become(nullptr);
    Fiber::switch_to(*self.fiber, host_);
    __builtin_unreachable();
}

std::string Block::where(const Thread& thread) const {
    return fmt::format("kernel {}, block ({}, {}, {}), thread ({}, {}, {})", kernel_->name, index_.x, index_.y,
                       index_.z, thread.index.x, thread.index.y, thread.index.z);
}

// Nothing can run, and somebody waits: for others who wait elsewhere or have ended.
void Block::diagnose() {
    const Thread* stuck = nullptr;
    for (const Thread& thread : threads_)
        if (thread.wait == Wait::warp || (stuck == nullptr && thread.wait != Wait::ended)) {
            stuck = &thread;
            if (thread.wait == Wait::warp) break;
        }
    fault_ =
        fmt::format("{}: waits forever at {}, at {}: {} ({})", where(*stuck), stuck->operation, text(stuck->site),
                    describe_threads(), stuck->wait == Wait::warp ? "mismatched warp operation" : "divergent barrier");
}

// "threads 0-31 wait at __syncthreads (file:line), threads 32-63 have ended".
std::string Block::describe_threads() const {
    const auto state = [](const Thread& thread) {
        if (thread.wait == Wait::ended) return std::string("ended");
        if (thread.wait == Wait::warp)
            return fmt::format("at {} with mask {:#010x} ({})", thread.operation, thread.mask, text(thread.site));
        return fmt::format("at {} ({})", thread.operation, text(thread.site));
    };
    std::string out;
    for (unsigned begin = 0, groups = 0; begin < thread_count_; ++groups) {
        if (groups == 8) return out + ", …";
        unsigned end = begin + 1;
        const std::string what = state(threads_[begin]);
        while (end < thread_count_ && state(threads_[end]) == what) ++end;
        out += fmt::format("{}threads {}-{} {}", begin == 0 ? "" : ", ", begin, end - 1, what);
        begin = end;
    }
    return out;
}

}  // namespace vitro::emulation
