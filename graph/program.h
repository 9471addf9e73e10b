// A graph made ready to run on a device: a kernel for every node, a place for every value.
#pragma once

#include "graph/plan.h"

#include <span>

namespace vitro {

/// What a program is compiled for.
struct Target {
    Backend& backend;
    std::span<const KernelDef> kernels;
};

struct Step {
    NodeId node = -1;
    void (*run)(const Call& call) = nullptr;
    bool is_reference = false;  // no kernel takes these types: the op's reference runs
};

struct Program {
    Graph graph;
    Plan plan;
    std::vector<Step> steps;  // in order; views have none
};

/// Chooses kernels and lays out memory. Error when an op has no kernel on a device whose memory the host cannot reach.
Program compile(Graph graph, const Target& target);

/// Puts their decomposition in the place of fused ops that no kernel takes, again and again, until what is left has a
/// kernel or is a primitive.
Graph decompose_unsupported(const Graph& graph, std::span<const KernelDef> kernels);

/// The tensors of a value at `symbols`, without memory.
Tensor tensor_of(const TensorType& type, const SymbolValues& symbols);

}  // namespace vitro
