// Barriers in shared memory and the copies that complete on them. A copy is done as late as it may be: when somebody
// waits for its barrier.
#include "backends/cuda/hopper.h"

#include "backends/emulation/block.h"
#include "backends/emulation/device_heap.h"
#include "backends/emulation/options.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

namespace vitro::emulation {

MemoryBarrierState& Block::memory_barrier(const void* address, std::source_location site) {
    const auto found = memory_barriers_.find(address);
    if (found == memory_barriers_.end())
        emulation::fault("uses memory that is no barrier: missing init_barrier (barrier in memory)", site);
    if (accesses_are_checked() && options().check_accesses &&
        !shared_.check<Access::atomic>(clock_, current_thread->accessor(), address, sizeof(std::uint64_t)))
        fault(shared_.take_problem());
    const MemoryBarrierState& barrier = found->second;
    const unsigned warp = current_thread->warp(), its_warp = barrier.maker / 32;
    const std::uint32_t known = warp == its_warp ? current_thread->synced : clock_.known(warp)[its_warp];
    if (barrier.maker != current_thread->number && barrier.made > std::max(known, clock_.everybody()))
        fault(fmt::format("uses a barrier in memory at {}:{} that thread {} has made with no barrier in between (race)",
                          site.file_name(), site.line(), barrier.maker));
    return found->second;
}

void Block::init_memory_barrier(const void* address, unsigned arrivals, std::source_location site) {
    if (!SharedMemory::window.contains(address)) emulation::fault("makes a barrier in memory that is not shared", site);
    if (arrivals == 0) emulation::fault("makes a barrier that nobody arrives at", site);
    check_write(address, sizeof(std::uint64_t));
    MemoryBarrierState& barrier = memory_barriers_[address];
    barrier = {};
    barrier.arrivals = barrier.pending = arrivals;
    barrier.maker = current_thread->number;
    barrier.made = clock_.now();
}

void Block::arrive_at_memory_barrier(const void* address, unsigned expected_bytes, std::source_location site) {
    MemoryBarrierState& barrier = memory_barrier(address, site);
    check_atomic(address, sizeof(std::uint64_t));  // which counts it: lanes arrive one after the other
    const unsigned warp = current_thread->warp();
    for (unsigned i = 0; i < 32; ++i) barrier.known[i] = std::max(barrier.known[i], clock_.known(warp)[i]);
    barrier.known[warp] = clock_.now();
    barrier.bytes += expected_bytes;
    --barrier.pending;
    tick();
    end_phase_if_complete(barrier);
}

void Block::wait_for_memory_barrier(const void* address, unsigned parity, std::source_location site) {
    MemoryBarrierState& barrier = memory_barrier(address, site);
    count_access(address, sizeof(std::uint64_t), site);
    const auto has_ended = [&] { return (barrier.phase & 1) != (parity & 1); };  // the phase before has this parity
    if (!has_ended()) finish_bulk_copies(barrier);
    if (has_ended()) {
        clock_.learn(current_thread->warp(), barrier.known_before);
        current_thread->synced = clock_.now();
        return tick();
    }
    barrier.waiting.push_back(current_thread);
    current_thread->operation = "wait_for_phase";
    park(Wait::memory_barrier, site);
}

void Block::end_phase_if_complete(MemoryBarrierState& barrier) {
    if (barrier.pending != 0 || barrier.bytes != 0) return;
    ++barrier.phase;
    barrier.pending = barrier.arrivals;
    barrier.known_before = barrier.known;
    barrier.known.fill(0);
    for (Thread* thread : barrier.waiting) {
        clock_.learn(thread->warp(), barrier.known_before);
        thread->synced = clock_.now();
        if (thread != current_thread) make_ready(*thread);
    }
    barrier.waiting.clear();
    tick();
}

void Block::start_bulk_copy(std::byte* target, const std::byte* source, unsigned bytes, const void* address,
                            std::source_location site) {
    MemoryBarrierState& barrier = memory_barrier(address, site);
    const auto aligned = [](auto value) { return reinterpret_cast<std::uintptr_t>(value) % 16 == 0; };
    if (!aligned(target) || !aligned(source) || bytes % 16 != 0)
        emulation::fault("calls copy_bulk with an address or a size that is not a multiple of 16", site);
    if (!SharedMemory::window.contains(target)) emulation::fault("calls copy_bulk to memory that is not shared", site);
    if (!DeviceHeap::contains(source))
        emulation::fault("calls copy_bulk from memory that is not global memory of the device", site);
    check_read(source, bytes);
    check_copy(target, bytes, true);
    barrier.copies.push_back({target, source, bytes, current_thread->accessor(), {}});
    // Somebody may wait already.
    if (!barrier.waiting.empty()) finish_bulk_copies(barrier);
}

void Block::finish_bulk_copies(MemoryBarrierState& barrier) {
    for (const BulkCopy& copy : barrier.copies) {
        // For all but its own thread it is as if that thread had written now, and arrived.
        if (accesses_are_checked() && options().check_accesses &&
            !shared_.check<Access::end_copy>(clock_, copy.issuer, copy.target, copy.bytes))
            fault(shared_.take_problem());
        std::memcpy(copy.target, copy.early.empty() ? copy.source : copy.early.data(), copy.bytes);
        const unsigned warp = copy.issuer.thread / 32;
        barrier.known[warp] = std::max(barrier.known[warp], clock_.now());
        threads_[copy.issuer.thread].proxy_fence = clock_.now();  // the copy engine needs no fence
        barrier.bytes -= copy.bytes;
    }
    if (barrier.copies.empty()) return;
    barrier.copies.clear();
    tick();
    end_phase_if_complete(barrier);
}

/// Copies that are on their way when a thread waits for the kernel in front may have read already.
void Block::read_bulk_copies_early() {
    for (auto& [address, barrier] : memory_barriers_)
        for (BulkCopy& copy : barrier.copies)
            if (copy.early.empty()) copy.early.assign(copy.source, copy.source + copy.bytes);
}

bool Block::copies_are_left() const {
    return std::any_of(memory_barriers_.begin(), memory_barriers_.end(),
                       [](const auto& each) { return !each.second.copies.empty(); });
}

void init_memory_barrier(void* barrier, unsigned arrivals, Site site) {
    current_block->init_memory_barrier(barrier, arrivals, site);
}
void arrive_at_memory_barrier(void* barrier, unsigned expected_bytes, Site site) {
    current_block->arrive_at_memory_barrier(barrier, expected_bytes, site);
}
void wait_for_memory_barrier(void* barrier, unsigned parity, Site site) {
    current_block->wait_for_memory_barrier(barrier, parity, site);
}
void start_bulk_copy(void* target, const void* source, unsigned bytes, void* barrier, Site site) {
    current_block->start_bulk_copy(static_cast<std::byte*>(target), static_cast<const std::byte*>(source), bytes,
                                   barrier, site);
}

}  // namespace vitro::emulation
