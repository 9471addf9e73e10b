// In which order nodes run.
#pragma once

#include "graph/graph.h"

#include <cstddef>
#include <vector>

namespace vitro {

/// Orders in which a graph's nodes may run, each a list of all nodes. The first is the given one, as near as it may be;
/// others follow if they keep fewer bytes live at once: one found greedily by what each node adds and frees, and one
/// depth first, the subtree that needs most before the others. `scratch_bytes` by NodeId. In all of them a value is
/// read before an op writes over its memory. Error when there is no such order: when an op also reads what it writes
/// over, or writes over a result, a next state, a weight, a constant, or a state that has no update.
std::vector<std::vector<NodeId>> schedules(const Graph& graph, const std::vector<std::size_t>& scratch_bytes);

/// Puts the nodes into this order.
void reorder(Graph& graph, const std::vector<NodeId>& order);

}  // namespace vitro
