// What a step may read before the step in front of it has ended.
#pragma once

#include "graph/graph.h"

namespace vitro {

/// Whether no step of the program writes input `input` of a node in a place where the node may read it early: an input
/// of the program, which is there before the first step; or a cache of which the steps in front write no rows but those
/// of the tokens that the node's own positions and sequences name, in the pages that it has itself, all of them inputs
/// of the program. The rows that those tokens have in the cache are not to be read early.
bool may_be_read_early(const Graph& graph, const Node& node, std::size_t input);

}  // namespace vitro
