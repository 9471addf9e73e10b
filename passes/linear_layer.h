// A matmul with a weight, with what earlier passes already fused into it: what the passes around `linear` match.
#pragma once

#include "ops/linear/linear.h"
#include "passes/passes.h"

#include <optional>
#include <string>
#include <vector>

namespace vitro {

struct LinearLayer {
    Linear linear;
    ValueId x = kAbsent, weight = kAbsent, weight_scale = kAbsent, norm_weight = kAbsent, bias = kAbsent,
            residual = kAbsent;
    std::vector<NodeId> matched{};  // the nodes it stands for, in order
};

/// The layer that computes `y`: a linear, a matmul by a transposed weight, or such a matmul plus a bias. The values in
/// between are used once.
std::optional<LinearLayer> linear_layer_of(const Rewriter& rewriter, ValueId y);

/// The name that Linear has for what the node does, if it is an activation.
std::optional<std::string> activation_name(const Node& node);

/// The linear of this layer, which computes `out`.
Node linear_node(const LinearLayer& layer, ValueId out);
/// Puts a linear in the place of the layer's matched nodes; it computes `out`.
void replace_by(Rewriter& rewriter, const LinearLayer& layer, ValueId out);

}  // namespace vitro
