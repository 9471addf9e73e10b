// Where the copies of tapped values lie, and after which step each is made. The executor queues the copies.
#pragma once

#include "graph/program.h"

#include <span>
#include <vector>

namespace vitro {

class TapMemory {
public:
    /// One copy: `bytes` at the symbols' bounds.
    struct Tap {
        ValueId value = -1;
        std::size_t device = 0;  // that the value lives on, by its order among the targets
        std::size_t after = 0;   // steps that have run when the value is there; 0: it is there before the first
        std::size_t offset = 0;  // in the device's block of copies
        std::size_t bytes = 0;
    };

    TapMemory() = default;
    /// Allocates host memory that each device can copy to by itself. Error when a value is a weight, which stays where
    /// it is, or when the bytes overflow. `backends` by device.
    TapMemory(const Program& program, std::span<const ValueId> values, std::span<Backend* const> backends);

    bool empty() const { return taps_.empty(); }
    /// The copies to make once `steps` steps have run.
    std::span<const Tap> after(std::size_t steps) const;
    /// The copy of a value. Error when it is not tapped.
    const Tap& of(ValueId value) const;
    std::byte* address(const Tap& tap) const { return blocks_[tap.device].data() + tap.offset; }

private:
    std::vector<Tap> taps_;              // by `after`
    std::vector<std::size_t> by_value_;  // by ValueId: 1 + index in taps_, 0 where it is not tapped
    std::vector<Buffer> blocks_;         // by device
};

}  // namespace vitro
