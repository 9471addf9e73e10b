#include "backends/emulation/device_heap.h"

#include "backends/cpu/host_memory.h"
#include "backends/emulation/options.h"
#include "base/checked.h"

#include <fmt/core.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace vitro::emulation {
namespace {

/// How much of a new block is filled with 0xff, NaN in every float type, so that who reads what nobody wrote is seen.
/// The rest of a larger block is pages that the system makes zero when they are touched: filling gigabytes that a graph
/// of large symbols asks for would take a minute.
constexpr std::size_t kFilled = std::size_t{64} << 20;

void* reserve(std::size_t bytes) {
    void* mapping = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping == MAP_FAILED) fail("emulation: cannot reserve {} bytes of addresses for device memory", bytes);
    return mapping;
}

/// Returns the whole pages in [begin, begin + bytes), which become zero, to the system.
void give_back(void* begin, std::size_t bytes) {
    const auto address = reinterpret_cast<std::uintptr_t>(begin);
    const std::uintptr_t first = round_up<std::uintptr_t>(address, 4096), last = (address + bytes) / 4096 * 4096;
    if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace

DeviceHeap& DeviceHeap::instance() {
    static DeviceHeap heap;
    return heap;
}

DeviceHeap::DeviceHeap() {
    base_ = static_cast<std::byte*>(reserve(kReserved));
    shadow_ = static_cast<std::uint8_t*>(reserve(kReserved / 8));
    reserved_ = kReserved;
}

std::byte* DeviceHeap::allocate(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const std::size_t begin = top_;
    if (bytes > kReserved - begin - 2 * kAlignment) return nullptr;
    // It may all be written: what the host has not is not there.
    if (const auto memory = host_memory(); memory && bytes > memory->free_bytes) return nullptr;
    top_ = round_up(begin + bytes + kAlignment, kAlignment);
    blocks_[begin] = bytes;
    used_bytes_ += bytes;
#ifdef __SANITIZE_ADDRESS__
    __asan_poison_memory_region(base_ + begin, top_ - begin);
    __asan_unpoison_memory_region(base_ + begin, bytes);
#endif
    std::memset(base_ + begin, 0xff, std::min(bytes, kFilled));
    std::memset(shadow_ + begin / 8, 8, bytes / 8);
    if (bytes % 8 != 0) shadow_[(begin + bytes) / 8] = std::uint8_t(bytes % 8);
    return base_ + begin;
}

bool DeviceHeap::release(void* pointer) {
    const std::lock_guard lock(mutex_);
    const auto found = blocks_.find(offset(pointer));
    if (found == blocks_.end()) return false;
    const auto [begin, bytes] = *found;
    std::memset(shadow_ + begin / 8, 0, (bytes + 7) / 8);
#ifdef __SANITIZE_ADDRESS__
    __asan_poison_memory_region(base_ + begin, bytes);
#endif
    // The addresses stay forbidden.
    give_back(base_ + begin, bytes);
    give_back(shadow_ + begin / 8, bytes / 8);
    used_bytes_ -= bytes;
    blocks_.erase(found);
    return true;
}

bool DeviceHeap::long_accessible(std::size_t begin, std::size_t end) {
    const std::size_t first = round_up<std::size_t>(begin, 8) / 8, last = end / 8;  // groups of 8 bytes that are whole
    // All are as the first is: each is as the one behind it.
    return shadow_[first] == 8 && std::memcmp(shadow_ + first, shadow_ + first + 1, last - first - 1) == 0 &&
           accessible(base_ + begin, 8 * first - begin) && accessible(base_ + 8 * last, end - 8 * last);
}

void DeviceHeap::zero(void* pointer, std::size_t bytes) {
    constexpr std::size_t kPage = 4096;
    auto* const begin = static_cast<std::byte*>(pointer);
    if (bytes <= kFilled) {
        std::memset(begin, 0, bytes);
        return;
    }
    // Whole pages become zero when they are given back; what stands before the first and behind the last is written.
    give_back(begin, bytes);
    std::memset(begin, 0, kPage);
    std::memset(begin + bytes - kPage, 0, kPage);
}

std::size_t DeviceHeap::used_bytes() const {
    const std::lock_guard lock(mutex_);
    return used_bytes_;
}

std::string DeviceHeap::describe(const void* address) const {
    const std::lock_guard lock(mutex_);
    const std::size_t at = offset(address);
    auto next = blocks_.upper_bound(at);
    if (next == blocks_.begin()) return "device memory that is not allocated";
    const auto [begin, bytes] = *--next;
    if (at < begin + bytes) return fmt::format("byte {} of a device allocation of {} bytes", at - begin, bytes);
    return fmt::format("{} bytes past the end of a device allocation of {} bytes", at - begin - bytes, bytes);
}

void DeviceHeap::set_accessible(const void* address, std::size_t bytes, bool accessible) {
    const std::size_t begin = round_up<std::size_t>(offset(address), 8), end = (offset(address) + bytes) / 8 * 8;
    VITRO_CHECK(offset(address) + bytes <= kReserved);
    if (begin >= end) return;
    std::memset(shadow_ + begin / 8, accessible ? 8 : 0, (end - begin) / 8);
#ifdef __SANITIZE_ADDRESS__
    if (accessible)
        __asan_unpoison_memory_region(base_ + begin, end - begin);
    else
        __asan_poison_memory_region(base_ + begin, end - begin);
#endif
}

void poison(const void* pointer, std::size_t bytes) { DeviceHeap::instance().set_accessible(pointer, bytes, false); }
void unpoison(const void* pointer, std::size_t bytes) { DeviceHeap::instance().set_accessible(pointer, bytes, true); }

}  // namespace vitro::emulation
