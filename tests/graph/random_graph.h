// Random graphs of real ops with all that makes memory difficult: views, in-place ops, caches, several outputs and
// results, values used twice and never; and their plainest execution.
#pragma once

#include "graph/executor.h"

#include "base/random.h"

#include <map>
#include <string>
#include <vector>

namespace vitro::test {

struct RandomGraphOptions {
    std::vector<std::string> devices{};  // some nodes name one of these
    /// Also what there may be no memory for, which compile() then has to refuse: views of a cache appended to it,
    /// versions of a cache that are written over and returned, swapped or kept, and caches that are no states.
    bool careless = false;
};

/// A verified graph of up to 40 nodes, which differs for each state of `random`.
Graph random_graph(Random& random, const RandomGraphOptions& options = {});

/// Random sizes for its symbols, up to their bounds.
SymbolValues random_sizes(const Graph& graph, Random& random);

using Bytes = std::vector<std::byte>;
/// Contents by path: of inputs, weights, states before a run; of results and states after it.
using Contents = std::map<std::string, Bytes>;

/// Valid contents for all inputs, weights and states.
Contents random_contents(const Graph& graph, const SymbolValues& symbols, Random& random);

/// Runs the graph node by node with references, each value in memory of its own: results as "result 0", … and the next
/// states under their states' paths.
Contents run_plainly(const Graph& graph, const SymbolValues& symbols, const Contents& contents);

/// Runs a program as run_plainly runs a graph, in memory as its plan wants it, on the devices it is compiled for.
Contents run_program(const Program& program, std::span<const Target> targets, const SymbolValues& symbols,
                     const Contents& contents);

}  // namespace vitro::test
