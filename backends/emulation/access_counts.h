// What kernels ask of memory, counted by warp as the hardware would see it: sectors of global memory, bank conflicts of
// shared memory.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vitro::emulation {

/// How a kernel was launched.
struct LaunchSize {
    std::array<unsigned, 3> grid{};                      // blocks
    unsigned block = 0;                                  // threads
    bool programmatic = false;                           // may start before the kernel in front of it has ended
    std::int64_t static_shared = 0, dynamic_shared = 0;  // bytes of a block

    std::int64_t threads() const { return std::int64_t{grid[0]} * grid[1] * grid[2] * block; }
};

/// A request is one instruction of one warp. What caches would spare is not taken off.
struct AccessCounts {
    std::string kernel;
    std::int64_t launches = 0;
    LaunchSize size;  // of the launch with most threads; bytes: the most of any launch
    std::int64_t global_requests = 0;
    std::int64_t bytes = 0;    // that requests ask for; those that several lanes of a request want count once
    std::int64_t sectors = 0;  // of 32 bytes, that move for them
    std::int64_t shared_requests = 0;
    std::int64_t bank_conflicts = 0;  // rounds of the shared memory's banks beyond those that the bytes need

    /// Of the bytes that move, the share that was asked for; 1 where nothing moves.
    double efficiency() const {
        return sectors == 0 ? 1.0 : static_cast<double>(bytes) / (32.0 * static_cast<double>(sectors));
    }
    AccessCounts& operator+=(const AccessCounts& other);
};

/// The counts since the last call, a row a kernel in the order of their first launches. Only launches that ran while
/// options().count_accesses was on, and only where accesses_are_checked().
std::vector<AccessCounts> take_access_counts();

/// Adds a launch's beginning, or one block's counts.
void add_access_counts(const AccessCounts& counts);

/// Gathers the accesses of one block's threads into requests: the n-th access of each lane of a warp that comes from
/// one place in the code since the warp's lanes last met.
class AccessCounter {
public:
    enum class Space : std::uint8_t { global, shared, shared_atomic };

    /// `place` tells one instruction from another.
    void add(unsigned thread, std::uintptr_t place, Space space, const void* address, std::size_t bytes);
    /// The lanes of a warp have met.
    void finish_warp(unsigned warp);
    /// The threads have met.
    void finish_warps();
    /// What was counted since the last call.
    AccessCounts take();

private:
    struct Request {
        Space space = Space::global;
        unsigned bytes = 0;
        unsigned lanes = 0;  // a bit each
        std::array<std::uintptr_t, 32> addresses{};
    };
    struct Instruction {
        std::array<std::uint32_t, 32> seen{};  // accesses of each lane
        std::vector<Request> requests;
    };

    void count(const Request& request);
    void count_global(const Request& request);
    void count_shared(const Request& request);

    std::array<std::unordered_map<std::uintptr_t, Instruction>, 32> warps_;
    AccessCounts counts_;
};

}  // namespace vitro::emulation
