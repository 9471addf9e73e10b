#include "backends/emulation/shared_memory.h"

#include "backends/emulation/options.h"
#include "base/checked.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace vitro::emulation {
namespace {

// A stamp is the time, shifted by 11 bits, and who: a thread below 1024, or one of the following.
constexpr std::uint32_t kWhoBits = 11;
constexpr std::uint32_t kWhoMask = (1u << kWhoBits) - 1;
constexpr std::uint32_t kSeveralOfWarp = 1024;  // + warp: several threads of one warp
constexpr std::uint32_t kSeveralWarps = kSeveralOfWarp + 32;
constexpr std::uint32_t kAtomic = kSeveralWarps + 1;  // an atomic operation, by whomever
constexpr std::uint32_t kCopying = kAtomic + 1;       // an asynchronous copy that was not waited for
constexpr std::uint32_t kUnwritten = 0;
constexpr std::uint32_t kOldest = 1;  // written by thread 1 at time 0, which is before everything
constexpr std::uint32_t kOutside = ~0u;

constexpr std::uint32_t stamp(std::uint32_t who, std::uint32_t time) { return time << kWhoBits | who; }
constexpr std::uint32_t who_of(std::uint32_t stamp) { return stamp & kWhoMask; }
constexpr std::uint32_t time_of(std::uint32_t stamp) { return stamp >> kWhoBits; }

/// True if what `stamp` tells of is ordered before what `who` does now.
bool ordered(const SyncClock& clock, Accessor who, std::uint32_t stamp) {
    const std::uint32_t time = time_of(stamp), by = who_of(stamp);
    if (time <= clock.everybody() || by == who.thread) return true;
    const unsigned own_warp = who.thread / 32;
    if (by < kSeveralWarps) {
        const unsigned warp = by < kSeveralOfWarp ? by / 32 : by - kSeveralOfWarp;
        return time <= (warp == own_warp ? who.synced : clock.known(own_warp)[warp]);
    }
    // Which warps took part is not kept: one that was waited for is enough, so that nothing right is called wrong.
    const auto& known = clock.known(own_warp);
    return time <= std::max(who.synced, *std::max_element(known.begin(), known.end()));
}

/// The stamp of a byte that `who` reads after, or beside, the readers of `before`.
std::uint32_t merge_readers(const SyncClock& clock, Accessor who, std::uint32_t before) {
    if (before == 0 || ordered(clock, who, before)) return stamp(who.thread, clock.now());
    const std::uint32_t by = who_of(before), own = kSeveralOfWarp + who.thread / 32;
    const bool same_warp = by == own || (by < kSeveralOfWarp && by / 32 == who.thread / 32);
    return stamp(same_warp ? own : kSeveralWarps, clock.now());
}

/// True if `who` may access a byte that was last written and read as the stamps tell.
template <Access kAccess>
bool allowed(const SyncClock& clock, Accessor who, std::uint32_t write, std::uint32_t read) {
    if (write == kOutside) return false;
    // Between the start and the end of a copy only this thread's own copies may have written.
    if (kAccess == Access::end_copy) return who_of(write) == kCopying || who_of(write) == who.thread;
    if (write == kUnwritten) {
        if (kAccess == Access::read || kAccess == Access::atomic) return false;
    } else {
        if (who_of(write) == kCopying) return false;
        const bool both_atomic = kAccess == Access::atomic && who_of(write) == kAtomic;
        if (!both_atomic && !ordered(clock, who, write)) return false;
    }
    return kAccess == Access::read || read == 0 || ordered(clock, who, read);
}

}  // namespace

void SyncClock::reset(unsigned warps) {
    warps_ = warps;
    restart();
}

void SyncClock::restart() {
    now_ = 1;
    everybody_ = 0;
    for (unsigned warp = 0; warp < warps_; ++warp) known_[warp].fill(0);
}

void SyncClock::everybody_met() {
    everybody_ = now_;
    advance();
}

void SyncClock::learn(unsigned warp, const std::array<std::uint32_t, 32>& known) {
    for (unsigned i = 0; i < 32; ++i) known_[warp][i] = std::max(known_[warp][i], known[i]);
}

SharedMemory::SharedMemory()
    : base_(static_cast<std::byte*>(std::aligned_alloc(1024, round_up<std::size_t>(kCapacity, 1024)))) {
    if (base_ == nullptr) fail("emulation: no memory for shared memory");
    reset(0);
}

SharedMemory::~SharedMemory() {
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(base_, kCapacity);
#endif
    std::free(base_);
}

void SharedMemory::reset(std::size_t dynamic_bytes) {
    VITRO_CHECK(dynamic_bytes <= kLimit);
#ifdef __SANITIZE_ADDRESS__
    __asan_poison_memory_region(base_, kCapacity);
#endif
    writes_.clear();
    reads_.clear();
    arrays_.clear();
    dynamic_bytes_ = dynamic_bytes;
    open(0, dynamic_bytes);
}

void SharedMemory::open(std::size_t begin, std::size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(base_ + begin, bytes);
#endif
    std::memset(base_ + begin, 0xff, bytes);
    writes_.resize(begin, kOutside);
    writes_.resize(begin + bytes, kUnwritten);
    writes_.resize(begin + bytes + kGap, kOutside);
    reads_.resize(writes_.size(), 0);
}

std::byte* SharedMemory::array(const void* key, const char* name, std::size_t bytes, std::size_t alignment) {
    for (const Array& array : arrays_)
        if (array.key == key) return base_ + array.begin;
    const std::size_t begin = round_up(writes_.size(), std::max<std::size_t>(alignment, 16));
    if (bytes > kCapacity || begin + bytes + kGap > kCapacity) return nullptr;
    open(begin, bytes);
    arrays_.push_back({key, name, begin, bytes});
    return base_ + begin;
}

std::size_t SharedMemory::static_bytes() const {
    std::size_t bytes = 0;
    for (const Array& array : arrays_) bytes += array.bytes;
    return bytes;
}

void SharedMemory::forget_order() {
    for (std::size_t i = 0; i < writes_.size(); ++i) {
        std::uint32_t& written = writes_[i];
        if (written != kOutside && written != kUnwritten)
            written = who_of(written) == kCopying ? stamp(kCopying, 0) : kOldest;
        reads_[i] = 0;
    }
}

template <Access kAccess>
bool SharedMemory::check(const SyncClock& clock, Accessor who, const void* address, std::size_t bytes) {
    const std::size_t begin = offset(address);
    if (begin >= writes_.size() || bytes > writes_.size() - begin) return explain(kAccess, who, begin, bytes), false;

    // Neighbouring bytes mostly have the same history: what was found for one holds for the next.
    std::uint32_t last_write = kOutside, last_read = 0, new_write = 0, new_read = 0;
    for (std::size_t i = begin; i < begin + bytes; ++i) {
        const std::uint32_t write = writes_[i], read = reads_[i];
        if (write != last_write || read != last_read || write == kOutside) {
            if (!allowed<kAccess>(clock, who, write, read)) return explain(kAccess, who, i, bytes), false;
            const std::uint32_t writer = kAccess == Access::atomic       ? kAtomic
                                         : kAccess == Access::begin_copy ? kCopying
                                                                         : who.thread;
            new_write = kAccess == Access::read ? write : stamp(writer, clock.now());
            new_read = kAccess == Access::read ? merge_readers(clock, who, read) : 0;
            last_write = write;
            last_read = read;
        }
        writes_[i] = new_write;
        reads_[i] = new_read;
    }
    return true;
}

std::optional<SharedMemory::Writer> SharedMemory::last_writer(const void* address) const {
    const std::uint32_t write = writes_[offset(address)];
    if (write == kUnwritten || write == kOutside || who_of(write) >= kSeveralOfWarp) return std::nullopt;
    return Writer{who_of(write), time_of(write)};
}

template bool SharedMemory::check<Access::read>(const SyncClock&, Accessor, const void*, std::size_t);
template bool SharedMemory::check<Access::write>(const SyncClock&, Accessor, const void*, std::size_t);
template bool SharedMemory::check<Access::atomic>(const SyncClock&, Accessor, const void*, std::size_t);
template bool SharedMemory::check<Access::begin_copy>(const SyncClock&, Accessor, const void*, std::size_t);
template bool SharedMemory::check<Access::end_copy>(const SyncClock&, Accessor, const void*, std::size_t);

std::string SharedMemory::place(std::size_t byte) const {
    // The region that holds the byte, or the one that it runs out of.
    const Array* best = nullptr;
    for (const Array& array : arrays_)
        if (array.begin <= byte) best = &array;
    if (best == nullptr) return fmt::format("byte {} of dynamic shared memory ({} bytes)", byte, dynamic_bytes_);
    return fmt::format("byte {} of shared array \"{}\" ({} bytes)", byte - best->begin, best->name, best->bytes);
}

void SharedMemory::explain(Access access, Accessor who, std::size_t byte, std::size_t bytes) {
    const char* verb = access == Access::read ? "reads" : access == Access::atomic ? "updates" : "writes";
    const std::string what = fmt::format("{} {} bytes that touch {}", verb, bytes, place(byte));
    const std::uint32_t write = byte < writes_.size() ? writes_[byte] : kOutside;
    const std::uint32_t read = byte < writes_.size() ? reads_[byte] : 0;
    const auto by = [&](std::uint32_t stamp) {
        const std::uint32_t writer = who_of(stamp);
        if (writer < kSeveralOfWarp) return fmt::format("thread {}", writer);
        if (writer < kSeveralWarps) return fmt::format("threads of warp {}", writer - kSeveralOfWarp);
        return std::string(writer == kAtomic ? "an atomic operation" : "several warps");
    };
    if (write == kOutside)
        problem_ = what + ": out of bounds";
    else if (write == kUnwritten && access != Access::write && access != Access::begin_copy)
        problem_ = what + ", which nothing has written (unwritten shared memory)";
    else if (who_of(write) == kCopying)
        problem_ =
            what +
            ", which an asynchronous copy writes that was not waited for (missing cp_async_wait or wait_for_phase)";
    else
        problem_ = fmt::format("{}, which {} has {} with no barrier in between (race; by linear thread {})", what,
                               by(read != 0 && access != Access::read ? read : write),
                               read != 0 && access != Access::read ? "read" : "written", who.thread);
}

}  // namespace vitro::emulation
