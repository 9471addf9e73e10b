// Offsets in one block of memory for pieces that are needed for some time each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vitro {

/// Memory in use from step `first` to step `last`, both included.
struct Piece {
    std::size_t bytes = 0;
    std::int32_t first = 0;
    std::int32_t last = 0;
    std::size_t offset = 0;
};

/// The largest sum of bytes that are in use at one step: no arena is smaller.
std::size_t most_live_bytes(const std::vector<Piece>& pieces);

/// Gives every piece an offset so that no two that are in use at the same time overlap; returns the end of the last.
/// Greedy by size (Pisarchyk and Lee 2020), then by other orders while the result is above the lower bound, and then
/// with the pieces that stick out moved to the front. Offsets are sums of bytes, so what divides all sizes divides
/// them.
std::size_t pack(std::vector<Piece>& pieces);

}  // namespace vitro
