// Whether a checkpoint has the weights that a graph asks for.
#pragma once

#include "frontend/checkpoint.h"
#include "graph/graph.h"

#include <span>
#include <string_view>

namespace vitro {

/// The dtype of a checkpoint tensor; Error when there is no tensor of that name, or when it is not of a float type.
DType weight_dtype(const Checkpoint& checkpoint, std::string_view name);

/// Error when the checkpoint lacks a weight of `graph`, or has it in another shape or dtype; it may have more tensors.
void check_weight_sources(const Checkpoint& checkpoint, const Graph& graph);

/// Error when the checkpoint's tensors are not exactly the weights of `graph`, by name, shape and dtype. Additional
/// tensors are allowed if their names end in one of `spare`.
void check_weights(const Checkpoint& checkpoint, const Graph& graph, std::span<const std::string_view> spare);

/// Error when the checkpoint has a tensor `head` beside the embedding `table` it should be, and it is another: then
/// transformers takes it, against what config.json says.
void check_tied_head(const Checkpoint& checkpoint, std::string_view table, std::string_view head);

}  // namespace vitro
