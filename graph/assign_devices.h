// Which device each node runs on, and the copies where a value crosses from one to another.
#pragma once

#include "graph/graph.h"

#include <span>

namespace vitro {

/// A device that a program is compiled for: its runtime and the kernels that fit it. Where several are given they stand
/// in order of preference, under different names, and the last is the host: what no other device takes runs there.
struct Target {
    Backend& backend;
    std::span<const KernelDef> kernels;
};

/// The target's first kernel for the node's op that takes its types, or null.
const KernelDef* find_kernel(const Target& target, const Graph& graph, const Node& node);

/// The index of the target with this name; the first for an empty one. Error when there is none.
std::size_t target_index(std::span<const Target> targets, std::string_view device);

/// Writes into every node and leaf the device it belongs to, and puts a `copy` where a value is used on another:
/// - a node runs on the first device with a kernel that takes it, else on the host; on the one it names, if it does;
/// - a state lives where it is written, and so do all nodes that write it;
/// - inputs live on the preferred device, or where all their users are;
/// - weights and constants used on two devices become two;
/// - a view stays with its memory.
/// With one target it leaves the graph as it is: no node needs to say its device. Error when a node names a device that
/// there is not, or one without a kernel for it.
Graph assign_devices(Graph graph, std::span<const Target> targets);

}  // namespace vitro
