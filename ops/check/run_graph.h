// Runs a graph with the ops' references, a node at a time, each value in memory of its own: the plainest executor.
#pragma once

#include "graph/graph.h"

#include <vector>

namespace vitro::check {

/// Bytes of the graph's results for these values of its inputs, in their order. No states; weights count as inputs.
std::vector<std::vector<std::byte>> run_graph(const Graph& graph, const std::vector<Tensor>& inputs,
                                              const SymbolValues& symbols);

}  // namespace vitro::check
