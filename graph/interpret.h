// Runs graphs with the ops' references, a node at a time, each value in memory of its own: the plainest executor.
#pragma once

#include "graph/elements.h"
#include "graph/graph.h"

#include <functional>
#include <span>

namespace vitro {

/// Runs one node. `inputs` hold its inputs in order, null for absent ones, and stay as they are; returns its outputs.
/// Sizes are those of the types at `symbols`; `host` is a backend whose memory is the host's. Error on an index that is
/// none (graph/index_check.h).
std::vector<Elements> interpret(const Graph& graph, const Node& node, std::span<const Elements* const> inputs,
                                const SymbolValues& symbols, Backend& host);

/// Writes an input, a weight or a state.
using FillValue = std::function<void(const ValueInfo& value, const Tensor& tensor)>;

/// Elements of a value that no node computes: a constant's data, or what `fill` writes.
Elements leaf_elements(const ValueInfo& value, const SymbolValues& symbols, const FillValue& fill);

/// Runs the whole graph; all its values by ValueId. `fill` is called in the order of the values.
std::vector<Elements> interpret(const Graph& graph, const SymbolValues& symbols, Backend& host, const FillValue& fill);

}  // namespace vitro
