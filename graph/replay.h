// One step of a program as a graph of its own, so that `vitro exec` runs it again on the inputs that it had.
#pragma once

#include "graph/program.h"

#include <vector>

namespace vitro {

/// The node of the program alone. What it reads becomes an input, or a state where it writes over it; constants stay.
/// Values keep their paths.
Graph replay_graph(const Program& program, NodeId node);

/// What has to be given to run it: the node's inputs, as values of the program, but for constants.
std::vector<ValueId> replay_inputs(const Program& program, NodeId node);

}  // namespace vitro
