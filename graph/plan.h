// Where every value of a graph lives: each device has four regions, each one block of memory, every value at a fixed
// offset.
#pragma once

#include "graph/graph.h"

#include <array>
#include <cstddef>
#include <vector>

namespace vitro {

enum class Region : std::uint8_t {
    weights,  // read-only; on a host backend used where the file is mapped instead
    states,   // KV caches: live from step to step, shared by all programs of a model
    io,       // inputs, constants, results
    arena,    // everything between; a place is reused when nothing reads it any more
};
inline constexpr std::size_t kRegions = 4;
std::string_view name(Region region);

struct Place {
    std::size_t device = 0;  // by its order among the targets
    Region region = Region::arena;
    std::size_t offset = 0;
    std::size_t bytes = 0;  // at the symbols' bounds
};

/// The memory of one device.
struct DevicePlan {
    std::array<std::size_t, kRegions> region_bytes{};
    std::size_t arena_lower_bound = 0;  // the largest sum of bytes that are live at one node

    std::size_t bytes(Region region) const { return region_bytes[static_cast<std::size_t>(region)]; }
};

struct Plan {
    std::vector<Place> values;   // by ValueId
    std::vector<Place> scratch;  // by NodeId, in the arena; 0 bytes where a kernel wants none
    std::vector<DevicePlan> devices;

    const Place& place(ValueId id) const { return values[static_cast<std::size_t>(id)]; }
    std::size_t bytes(Region region, std::size_t device = 0) const { return devices[device].bytes(region); }
    std::size_t arena_lower_bound(std::size_t device = 0) const { return devices[device].arena_lower_bound; }
};

/// What the planner asks of the program's devices and kernels.
struct PlanRequest {
    std::vector<std::size_t> alignments;     // by device, of every place on it: powers of two
    std::vector<std::size_t> value_devices;  // by ValueId
    std::vector<std::size_t> scratch_bytes;  // by NodeId
};

/// Lays out `graph` at its bounds.
/// Values that an op declares to be one memory (OpDef::aliases) share a place, and in-place ops write over an input
/// that nothing reads afterwards. Places in the arena are found greedily, largest first (Pisarchyk and Lee 2020, greedy
/// by size).
Plan make_plan(const Graph& graph, const PlanRequest& request);

}  // namespace vitro
