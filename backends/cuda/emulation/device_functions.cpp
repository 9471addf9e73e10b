#include "backends/cuda/emulation/device_functions.h"

#include "backends/cuda/emulation/block.h"
#include "backends/cuda/emulation/options.h"

#include <fmt/core.h>

#include <chrono>

namespace vitro::emulation {

void warp_operation(const char* operation, unsigned mask, void (*complete)(void* const* lanes, unsigned mask),
                    void* data, Site site) {
    Block::of_current().warp_operation(operation, mask, complete, data, site);
}

void fault(const char* what, Site site) {
    std::string text = fmt::format("{}, at {}:{}", what, site.file_name(), site.line());
    Block::of_current().fault(std::move(text));
}

void __syncthreads(Site site) { Block::of_current().barrier("__syncthreads", false, site); }
int __syncthreads_count(int predicate, Site site) {
    return Block::of_current().barrier("__syncthreads_count", predicate != 0, site);
}
int __syncthreads_and(int predicate, Site site) {
    return Block::of_current().barrier("__syncthreads_and", predicate == 0, site) == 0;
}
int __syncthreads_or(int predicate, Site site) {
    return Block::of_current().barrier("__syncthreads_or", predicate != 0, site) != 0;
}
void __syncwarp(unsigned mask, Site site) { Block::of_current().sync_warp(mask, site); }
void named_barrier(unsigned id, unsigned threads, bool wait, Site site) {
    Block::of_current().named_barrier(id, threads, wait, site);
}
void sync_grid_of_kernel(Site site) { Block::of_current().sync_grid(site); }
void wait_for_previous(Site site) { Block::of_current().wait_for_previous_kernel(site); }
void spin(Site site) { Block::of_current().spin(site); }
void __nanosleep(unsigned, Site site) { spin(site); }
void __trap(Site site) { fault("calls __trap", site); }

void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __threadfence_block() {}
void __threadfence_system() { __threadfence(); }

int own_lane() { return int(Block::current()->lane()); }

unsigned __activemask() { return Block::of_current().lanes_of_current_warp(); }

unsigned __ballot_sync(unsigned mask, int predicate, Site site) {
    Exchange<unsigned> exchange{predicate != 0, 0, -1, true};
    warp_operation(
        "__ballot_sync", mask,
        [](void* const* lanes, unsigned present) {
            unsigned votes = 0;
            for (unsigned rest = present; rest != 0; rest &= rest - 1) {
                const int lane = std::countr_zero(rest);
                votes |= static_cast<Exchange<unsigned>*>(lanes[lane])->value << lane;
            }
            for (unsigned rest = present; rest != 0; rest &= rest - 1)
                static_cast<Exchange<unsigned>*>(lanes[std::countr_zero(rest)])->result = votes;
        },
        &exchange, site);
    return exchange.result;
}

void* dynamic_shared_memory() { return Block::of_current().shared().base(); }

void* shared_array(const void* key, const char* name, std::size_t bytes, std::size_t alignment, Site site) {
    void* array = Block::of_current().shared().array(key, name, bytes, alignment);
    if (array == nullptr) fault("has no shared memory left for an array", site);
    return array;
}

long long clock64() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

}  // namespace vitro::emulation
