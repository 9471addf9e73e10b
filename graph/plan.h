// Where every value of a graph lives: each device has four regions, each one block of memory, every value at a fixed
// offset.
#pragma once

#include "graph/graph.h"

#include <array>
#include <cstddef>
#include <string>
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

/// Values that are one memory, or a kernel's scratch, in an arena for as long as they are in use.
struct Block {
    Place place;
    NodeId first = 0;             // the node that defines it
    NodeId last = 0;              // the last node that reads or writes it
    std::vector<ValueId> values;  // none: scratch of node `first`
};

/// The memory of one device.
struct DevicePlan {
    std::string name;           // "cpu"
    std::size_t alignment = 1;  // of every place, a power of two
    bool is_host = true;
    std::array<std::size_t, kRegions> region_bytes{};
    std::size_t arena_lower_bound = 0;  // the largest sum of bytes that are live at one node

    std::size_t bytes(Region region) const { return region_bytes[static_cast<std::size_t>(region)]; }
};

struct Plan {
    std::vector<Place> values;   // by ValueId
    std::vector<Place> scratch;  // by NodeId, in the arena; 0 bytes where a kernel wants none
    std::vector<Block> blocks;   // of all arenas
    std::vector<DevicePlan> devices;

    const Place& place(ValueId id) const { return values[static_cast<std::size_t>(id)]; }
    std::size_t bytes(Region region, std::size_t device = 0) const { return devices[device].bytes(region); }
    std::size_t arena_lower_bound(std::size_t device = 0) const { return devices[device].arena_lower_bound; }
};

/// What the planner is told of the program's devices and kernels.
struct PlanRequest {
    std::vector<DevicePlan> devices;         // name, alignment and is_host are given
    std::vector<std::size_t> value_devices;  // by ValueId
    std::vector<std::size_t> scratch_bytes;  // by NodeId
};

/// Lays out `graph` at its bounds, nodes running in their order. Values that an op declares to be one memory
/// (OpDef::aliases) share a place, in-place ops write over an input that nothing reads afterwards, and what an op joins
/// (OpDef::joins_inputs) is computed in its place within the output, if nothing else reads it. Error when a state is
/// updated by a value that is not its memory. Each arena is packed by graph/arena.h.
Plan make_plan(const Graph& graph, const PlanRequest& request);

}  // namespace vitro
