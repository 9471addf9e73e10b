// Passes: named rewrites of a graph, run one after the other. Each pass is timed, explains what it did, and its result
// is verified.
#pragma once

#include "graph/program.h"
#include "graph/rewrite.h"

#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// What a pass may use besides the graph.
struct PassContext {
    Journal& journal;
    std::span<const Target> targets;  // what the graph is compiled for, in order of preference; the last is the host

    DType block_type = DType::q8_0;  // PipelineOptions::block_type

    /// The host, which runs the ops' reference implementations when constants are folded.
    Backend& host() const { return targets.back().backend; }
    /// Why the preferred device has no kernel for this node of `graph` ("cpu has no kernel for …"); empty if it has
    /// one.
    std::string refuses(const Graph& graph, const Node& node) const;
    /// Whether the preferred device has a kernel that takes these types.
    bool takes(const OpDef& op, std::span<const TensorType> inputs, std::span<const TensorType> outputs,
               const Attributes& attributes) const;
    /// The dtype that the preferred device's kernel prefers for input `input` of this node of `graph`
    /// (KernelDef::prefers); the input's own dtype if the kernel has no preference.
    DType preferred(const Graph& graph, const Node& node, std::size_t input) const;
};

struct Pass {
    std::string_view name;
    /// The equation it applies: "silu(x·Wg) * (x·Wu) -> linear(x, [Wg; Wu])".
    std::string_view equation;
    /// True when it changed the graph.
    bool (*run)(Graph& graph, PassContext& context);
    bool optional = false;         // runs only when it is enabled
    bool changes_numbers = false;  // it changes values by more than the rounding of fp32, as quantizing does
};

struct PipelineOptions {
    std::set<std::string, std::less<>> disabled;  // names of passes to leave out
    std::set<std::string, std::less<>> enabled;   // names of optional passes to run
    DType block_type = DType::q8_0;               // the type of block-quantized weights, if a pass makes them
    bool exact = false;                           // leave out passes that change numbers, unless they are enabled
    /// Called with the graph as given (pass null) and after each pass that ran, with whether it changed anything.
    std::function<void(const Pass* pass, const Graph& graph, bool changed)> after;
};

struct PassRecord {
    std::string_view name;
    bool changed = false;
    double seconds = 0;
    std::size_t nodes_after = 0;
};

/// What a pipeline reports, besides the changed graph.
struct PipelineReport {
    std::vector<PassRecord> passes;  // those that ran, in order
    double verify_seconds = 0;       // for verifying the graph after every pass
    Journal journal;
};

/// Runs `passes` in order on `graph`, verifying it after each. Error when `options` names a pass that is not in the
/// list. `targets` as in PassContext.
PipelineReport run_passes(Graph& graph, std::span<const Pass> passes, std::span<const Target> targets,
                          const PipelineOptions& options = {});

}  // namespace vitro
