// What depends on weights alone runs once, when a model is loaded. In the graphs that passes rewrite such nodes stand
// like all others; compile() (graph/program.h) takes them off, and what they make becomes a weight of the step's
// program, marked `prepared`.
#pragma once

#include "graph/graph.h"

#include <vector>

namespace vitro {

/// Which nodes, by NodeId, depend on weights and constants alone, directly or through such nodes. Not those that name a
/// device, write over what they read, or have sizes that are known only in a step.
std::vector<bool> load_nodes(const Graph& graph);

struct SplitGraph {
    Graph load;  // its results are the prepared weights of `step`
    Graph step;
};

/// Takes the load nodes off. A view that a step reads stays in the step: it costs nothing, and a view of a weight that
/// is used where its file is mapped needs no memory. Error when a weight is prepared already.
SplitGraph split_load(Graph graph);

}  // namespace vitro
