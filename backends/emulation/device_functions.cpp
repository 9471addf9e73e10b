#include "backends/emulation/device_functions.h"

#include "backends/emulation/block.h"
#include "backends/emulation/options.h"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <chrono>

namespace vitro::emulation {

void fault(const char* what, Site site) {
    std::string text = fmt::format("{}, at {}:{}", what, site.file_name(), site.line());
    current_block->fault(std::move(text));
}

void __syncthreads(Site site) { current_block->barrier("__syncthreads", false, site); }
int __syncthreads_count(int predicate, Site site) {
    return current_block->barrier("__syncthreads_count", predicate != 0, site);
}
int __syncthreads_and(int predicate, Site site) {
    return current_block->barrier("__syncthreads_and", predicate == 0, site) == 0;
}
int __syncthreads_or(int predicate, Site site) {
    return current_block->barrier("__syncthreads_or", predicate != 0, site) != 0;
}
void __syncwarp(unsigned mask, Site site) { current_block->sync_warp(mask, site); }
void named_barrier(unsigned id, unsigned threads, bool wait, Site site) {
    current_block->named_barrier(id, threads, wait, site);
}
void sync_grid_of_kernel(Site site) { current_block->sync_grid(site); }
void wait_for_previous(Site site) { current_block->wait_for_previous_kernel(site); }
void spin(Site site) { current_block->spin(site); }
void __nanosleep(unsigned, Site site) { spin(site); }
void __trap(Site site) { fault("calls __trap", site); }

void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __threadfence_block() {}
void __threadfence_system() { __threadfence(); }

unsigned __activemask() { return current_block->lanes_of_current_warp(); }

namespace {

/// What one lane brings to a warp operation, and takes from it.
struct Exchange {
    unsigned long long value, result;
    unsigned from;  // the lane that it reads
};

Exchange& of(void* lane) { return *static_cast<Exchange*>(lane); }

void complete_shuffle(void* const* lanes, unsigned mask) {
    for (unsigned rest = mask; rest != 0; rest &= rest - 1) {
        Exchange& own = of(lanes[std::countr_zero(rest)]);
        if ((mask >> own.from & 1) != 0)
            own.result = of(lanes[own.from]).value;
        else
            own.from = 32;  // did not take part
    }
}

void complete_ballot(void* const* lanes, unsigned mask) {
    unsigned long long votes = 0;
    for (unsigned rest = mask; rest != 0; rest &= rest - 1)
        votes |= of(lanes[std::countr_zero(rest)]).value << std::countr_zero(rest);
    for (unsigned rest = mask; rest != 0; rest &= rest - 1) of(lanes[std::countr_zero(rest)]).result = votes;
}

long long reduce(Reduction kind, long long a, long long b) {
    switch (kind) {
        case Reduction::add:
            return a + b;
        case Reduction::min:
            return std::min(a, b);
        case Reduction::max:
            return std::max(a, b);
        case Reduction::bit_and:
            return a & b;
        case Reduction::bit_or:
            return a | b;
        case Reduction::bit_xor:
            break;
    }
    return a ^ b;
}

template <Reduction kKind>
void complete_reduction(void* const* lanes, unsigned mask) {
    auto result = static_cast<long long>(of(lanes[std::countr_zero(mask)]).value);
    for (unsigned rest = mask & (mask - 1); rest != 0; rest &= rest - 1)
        result = reduce(kKind, result, static_cast<long long>(of(lanes[std::countr_zero(rest)]).value));
    for (unsigned rest = mask; rest != 0; rest &= rest - 1)
        of(lanes[std::countr_zero(rest)]).result = static_cast<unsigned long long>(result);
}

struct NamedReduction {
    const char* name;
    Complete complete;
};
constexpr NamedReduction kReductions[] = {
    {"__reduce_add_sync", &complete_reduction<Reduction::add>},
    {"__reduce_min_sync", &complete_reduction<Reduction::min>},
    {"__reduce_max_sync", &complete_reduction<Reduction::max>},
    {"__reduce_and_sync", &complete_reduction<Reduction::bit_and>},
    {"__reduce_or_sync", &complete_reduction<Reduction::bit_or>},
    {"__reduce_xor_sync", &complete_reduction<Reduction::bit_xor>},
};
constexpr const char* kShuffleNames[] = {"__shfl_sync", "__shfl_up_sync", "__shfl_down_sync", "__shfl_xor_sync"};

/// The lane that a shuffle reads: its own where the other lies outside of its part of `width` lanes.
int source_lane(Shuffle kind, int own, int lane, int width) {
    const int first = own & ~(width - 1), last = own | (width - 1);
    int from = own ^ lane;
    switch (kind) {
        case Shuffle::index:
            return first | (lane & (width - 1));
        case Shuffle::up:
            return own - lane < first ? own : own - lane;
        case Shuffle::down:
            from = own + lane;
            break;
        case Shuffle::exclusive_or:
            break;
    }
    return from > last ? own : from;
}

}  // namespace

unsigned long long shuffle_bits(Shuffle kind, unsigned mask, unsigned long long bits, int lane, int width, Site site) {
    Exchange exchange{bits, bits, unsigned(source_lane(kind, int(current_thread->lane()), lane, width))};
    current_block->warp_operation(kShuffleNames[std::size_t(kind)], mask, &complete_shuffle, &exchange, site);
    if (exchange.from == 32) fault("shuffles from a lane that is not in the mask (mismatched warp operation)", site);
    return exchange.result;
}

unsigned __ballot_sync(unsigned mask, int predicate, Site site) {
    Exchange exchange{predicate != 0, 0, 0};
    current_block->warp_operation("__ballot_sync", mask, &complete_ballot, &exchange, site);
    return unsigned(exchange.result);
}

long long warp_reduce(Reduction kind, unsigned mask, long long value, Site site) {
    Exchange exchange{static_cast<unsigned long long>(value), 0, 0};
    const NamedReduction& named = kReductions[std::size_t(kind)];
    current_block->warp_operation(named.name, mask, named.complete, &exchange, site);
    return static_cast<long long>(exchange.result);
}

void* dynamic_shared_memory() { return current_block->shared().base(); }

void* shared_array(const void* key, const char* name, std::size_t bytes, std::size_t alignment, Site site) {
    void* array = current_block->shared().array(key, name, bytes, alignment);
    if (array == nullptr) fault("has no shared memory left for an array", site);
    return array;
}

long long clock64() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

}  // namespace vitro::emulation
