// Whether a checkpoint has the weights that a graph asks for.
#pragma once

#include "frontend/checkpoint.h"
#include "graph/graph.h"
#include "models/model.h"

#include <span>
#include <string_view>

namespace vitro {

/// Error when the checkpoint lacks a weight of `graph`, or has it in another shape or dtype; it may have more tensors.
void check_weight_sources(const Checkpoint& checkpoint, const Graph& graph);

/// Error when the checkpoint's tensors are not exactly the weights of `graph`, by name, shape and dtype. Additional
/// tensors are allowed if their names end in one of `spare`.
void check_weights(const Checkpoint& checkpoint, const Graph& graph, std::span<const std::string_view> spare);

/// The naive graph of the model that `checkpoint` is of, with the checkpoint's dtypes whatever `options` say of them.
/// Error where check_weights has one, and where there is a head beside the embedding that it should be, and it is
/// another: then transformers takes it, against what config.json says.
Graph checked_graph(const ModelConfig& config, BuildOptions options, const Checkpoint& checkpoint);

}  // namespace vitro
