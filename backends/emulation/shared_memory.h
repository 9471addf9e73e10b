// The shared memory of one block, with a shadow of who touched each byte last: reads of what nobody wrote and accesses
// of two threads with no barrier between them are found here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace vitro::emulation {

/// What orders memory accesses inside a block. Time counts completed synchronizations, from 1.
class SyncClock {
public:
    void reset(unsigned warps);

    std::uint32_t now() const { return now_; }
    void advance() { ++now_; }
    /// All threads met: whatever happened until now is before whatever comes. Advances.
    void everybody_met();
    /// Makes warp `warp` know what `known[w]` says about each other warp w.
    void learn(unsigned warp, const std::array<std::uint32_t, 32>& known);
    const std::array<std::uint32_t, 32>& known(unsigned warp) const { return known_[warp]; }
    std::uint32_t everybody() const { return everybody_; }
    /// Forgets order: all that happened counts as ordered before what comes. Keeps time small.
    void restart();

private:
    unsigned warps_ = 0;
    std::uint32_t now_ = 1;
    std::uint32_t everybody_ = 0;                            // the last time that everyone met
    std::array<std::array<std::uint32_t, 32>, 32> known_{};  // [reader warp][writer warp]: ordered up to this time
};

/// Who accesses: the thread's number in its block, and the time of the last synchronization of its warp that it took
/// part in.
struct Accessor {
    unsigned thread;
    std::uint32_t synced;
};

/// What an access does. A copy is asynchronous: from `begin_copy` to `end_copy` nobody may read what it writes.
enum class Access { read, write, atomic, begin_copy, end_copy };

/// The addresses of the shared memory of one block, or none.
struct SharedWindow {
    const std::byte* base = nullptr;
    std::size_t bytes = 0;

    bool contains(const void* address) const {
        return static_cast<std::size_t>(static_cast<const std::byte*>(address) - base) < bytes;
    }
};

class SharedMemory {
public:
    /// Of the block that this OS thread runs; none outside of kernels.
    static inline constinit thread_local SharedWindow window{};
    void enter() const { window = {base_, kCapacity}; }
    static void leave() { window = {}; }

    static constexpr std::size_t kLimit = 227 * 1024;  // bytes a block may ever have, as on sm_90

    SharedMemory();
    ~SharedMemory();
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;

    /// Empties everything for a block with so many dynamic bytes. The content is then a pattern of NaNs.
    void reset(std::size_t dynamic_bytes);

    std::byte* base() const { return base_; }
    std::size_t dynamic_bytes() const { return dynamic_bytes_; }
    /// Of the arrays that were made so far.
    std::size_t static_bytes() const;

    /// The block's array that belongs to `key`, made at the first call. Empty when the block has no room left for it.
    std::byte* array(const void* key, const char* name, std::size_t bytes, std::size_t alignment);

    /// Remembers an access and says whether it is allowed; if not, take_problem() says why.
    template <Access kAccess>
    bool check(const SyncClock& clock, Accessor who, const void* address, std::size_t bytes);
    /// The thread that wrote a byte last, and when; none where it was nobody, or several.
    struct Writer {
        unsigned thread;
        std::uint32_t time;
    };
    std::optional<Writer> last_writer(const void* address) const;
    std::string take_problem() { return std::move(problem_); }

    /// Called when the clock restarts.
    void forget_order();

private:
    static constexpr std::size_t kGap = 64;  // forbidden bytes after the dynamic part and after each array
    static constexpr std::size_t kCapacity = kLimit + 64 * kGap;

    struct Array {
        const void* key;
        const char* name;
        std::size_t begin, bytes;
    };

    std::size_t offset(const void* address) const {
        return static_cast<std::size_t>(static_cast<const std::byte*>(address) - base_);
    }
    void open(std::size_t begin, std::size_t bytes);
    std::string place(std::size_t byte) const;
    void explain(Access access, Accessor who, std::size_t byte, std::size_t bytes);

    std::byte* base_ = nullptr;
    std::size_t dynamic_bytes_ = 0;
    std::vector<Array> arrays_;
    std::string problem_;
    // Up to the last array's gap.
    std::vector<std::uint32_t> writes_;  // a stamp a byte: who wrote it last, and when
    std::vector<std::uint32_t> reads_;   // a stamp a byte: who read it since, and when
};

}  // namespace vitro::emulation
