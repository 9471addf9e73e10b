// Passes: named rewrites of a graph, run one after the other, each timed, verified and explained.
#pragma once

#include "graph/rewrite.h"

#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// What a pass may ask for besides the graph.
struct PassContext {
    Journal& journal;
    Backend& host;  // runs references when constants are folded
};

struct Pass {
    std::string_view name;
    /// The equation it applies: "silu(x·Wg) * (x·Wu) -> linear(x, [Wg; Wu])".
    std::string_view equation;
    /// True when it changed the graph.
    bool (*run)(Graph& graph, PassContext& context);
};

struct PipelineOptions {
    std::set<std::string, std::less<>> disabled;  // names of passes to leave out
    /// Called with the graph as given (pass null) and after each pass that ran.
    std::function<void(const Pass* pass, const Graph& graph)> after;
};

struct PassRecord {
    std::string_view name;
    bool changed = false;
    double seconds = 0;
    std::size_t nodes_after = 0;
};

/// A pipeline's outcome beside the graph itself.
struct PipelineReport {
    std::vector<PassRecord> passes;  // those that ran, in order
    Journal journal;
};

/// Runs `passes` in order on `graph`, verifying it after each. Error when `options` names a pass that is not in the
/// list.
PipelineReport run_passes(Graph& graph, std::span<const Pass> passes, Backend& host,
                          const PipelineOptions& options = {});

}  // namespace vitro
