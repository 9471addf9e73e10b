// The passes, one rewrite a file; passes/optimize.cpp lists them in their order.
#pragma once

#include "graph/pass.h"

#include <span>

namespace vitro {

bool canonicalize(Graph& graph, PassContext& context);
bool turn_weights(Graph& graph, PassContext& context);
bool fold_constants(Graph& graph, PassContext& context);
bool merge_common_subexpressions(Graph& graph, PassContext& context);
bool remove_dead_code(Graph& graph, PassContext& context);
bool weights_to_blocks(Graph& graph, PassContext& context);
bool keep_blocks(Graph& graph, PassContext& context);
bool last_rows_only(Graph& graph, PassContext& context);
bool merge_projections(Graph& graph, PassContext& context);
bool fuse_qkv_rope(Graph& graph, PassContext& context);
bool fuse_attention(Graph& graph, PassContext& context);
bool fuse_gated_ffn(Graph& graph, PassContext& context);
bool fuse_bias(Graph& graph, PassContext& context);
bool fuse_activation(Graph& graph, PassContext& context);
bool fuse_residual(Graph& graph, PassContext& context);
bool quantize_activations(Graph& graph, PassContext& context);
bool fuse_norm_matmul(Graph& graph, PassContext& context);
bool quantize_weights(Graph& graph, PassContext& context);
bool fuse_residual_norm(Graph& graph, PassContext& context);
bool fuse_qkv_projection(Graph& graph, PassContext& context);
bool pack_weights(Graph& graph, PassContext& context);

/// All of them, in order.
std::span<const Pass> all_passes();

/// Adds one from outside the tree before another, before anything else asks for them. Error when its name is taken or
/// the other one is not there.
void add_pass(const Pass& pass, std::string_view before);

/// Runs them on a model's naive graph, which is then compiled for `targets` (as in PassContext).
PipelineReport optimize(Graph& graph, std::span<const Target> targets, const PipelineOptions& options = {});

}  // namespace vitro
