// Device memory: one reserved range of addresses, in which each allocation stands alone among forbidden bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace vitro::emulation {

class DeviceHeap {
public:
    static DeviceHeap& instance();

    /// Bytes aligned to 256, the first of them filled with a pattern of NaNs; null when there is no room.
    std::byte* allocate(std::size_t bytes);
    /// False if `pointer` is not the start of an allocation.
    bool release(void* pointer);

    /// True for addresses of the device, allocated or not.
    static bool contains(const void* address) { return offset(address) < reserved_; }
    /// True if every byte of [address, address + bytes), which begins in device memory, may be touched.
    static bool accessible(const void* address, std::size_t bytes) {
        std::size_t at = offset(address);
        const std::size_t end = at + bytes;
        if (end > reserved_ || end < at) return false;
        if (bytes > kLong) return long_accessible(at, end);
        // shadow_[i] tells how many of the 8 bytes from 8 * i on are open.
        while (at < end) {
            const std::size_t stop = (at | 7) + 1 < end ? (at | 7) + 1 : end;
            if (stop - (at & ~std::size_t{7}) > shadow_[at >> 3]) return false;
            at = stop;
        }
        return true;
    }
    /// Says where a forbidden access lies: past which allocation, or in which gap.
    std::string describe(const void* address) const;

    /// Makes bytes of an allocation zero, without touching all pages of a large one.
    static void zero(void* pointer, std::size_t bytes);

    void set_accessible(const void* address, std::size_t bytes, bool accessible);

    std::size_t used_bytes() const;
    static constexpr std::size_t kReserved = std::size_t{1} << 38;

private:
    static constexpr std::size_t kAlignment = 256, kLong = 4096;

    DeviceHeap();
    static std::size_t offset(const void* address) {
        return static_cast<std::size_t>(static_cast<const std::byte*>(address) - base_);
    }

    static bool long_accessible(std::size_t begin, std::size_t end);

    // Of the one heap there is; none before it is first used. Static, since every access of a kernel asks.
    static inline std::byte* base_ = nullptr;
    static inline std::uint8_t* shadow_ = nullptr;
    static inline std::size_t reserved_ = 0;
    mutable std::mutex mutex_;
    std::map<std::size_t, std::size_t> blocks_;  // offset -> bytes
    std::size_t top_ = 0;                        // addresses are not used twice while there are fresh ones
    std::size_t used_bytes_ = 0;
};

}  // namespace vitro::emulation
