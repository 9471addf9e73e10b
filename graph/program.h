// A graph made ready to run on one or more devices: a kernel for every node, a place for every value.
#pragma once

#include "graph/assign_devices.h"
#include "graph/plan.h"

#include <span>

namespace vitro {

struct Step {
    NodeId node = -1;
    std::size_t device = 0;                   // by its order among the targets
    void (*run)(const Call& call) = nullptr;  // null for a copy: upload and download do it
    bool is_reference = false;                // the op's reference runs, not a kernel
    std::size_t scratch_bytes = 0;            // what the kernel asks for at the symbols' bounds
};

/// A stage of compile(): what --timings shows after the passes.
struct StageRecord {
    std::string_view name;
    double seconds = 0;
};

struct Program {
    Graph graph;
    Graph
        load;  // what makes the prepared weights of `graph`: runs once, as part of a LoadProgram (graph/load_program.h)
    Plan plan;
    std::vector<Step> steps;  // in order; views have none
    std::vector<StageRecord> stages;
};

/// Splits off what depends on weights alone (graph/split_load.h), decomposes, assigns devices (graph/assign_devices.h),
/// chooses kernels, an order (graph/schedule.h: the one whose arenas are the smallest) and places in memory
/// (graph/plan.h). Error when an op has no kernel on the only device and the host cannot reach that one's memory.
Program compile(Graph graph, std::span<const Target> targets);
inline Program compile(Graph graph, const Target& target) { return compile(std::move(graph), {&target, 1}); }

/// The same without splitting: every node becomes a step or a view of this program.
Program compile_whole(Graph graph, std::span<const Target> targets);

/// Puts their decomposition in the place of fused ops that no kernel of the preferred device takes (or of the one a
/// node names), again and again, until what is left has a kernel or is a primitive.
Graph decompose_unsupported(Graph graph, std::span<const Target> targets);

/// The tensors of a value at `symbols`, without memory.
Tensor tensor_of(const TensorType& type, const SymbolValues& symbols);
/// The same of several values of a graph, at the symbols' bounds.
std::vector<Tensor> tensors_at_bounds(const Graph& graph, const std::vector<ValueId>& ids);

}  // namespace vitro
