#include "passes/linear_layer.h"

#include "ops/add/add.h"
#include "ops/gelu/gelu.h"
#include "ops/matmul/matmul.h"
#include "ops/relu/relu.h"
#include "ops/silu/silu.h"

namespace vitro {
namespace {

bool is_row_weight(const Rewriter& rewriter, ValueId id) {
    return rewriter.is_weight(id) && rewriter.value(id).type.rank() == 1;
}

LinearLayer from_linear(const Node& node, NodeId id) {
    return {node.attributes.as<Linear>(),     node.inputs[Linear::kX],
            node.inputs[Linear::kWeight],     node.inputs[Linear::kWeightScale],
            node.inputs[Linear::kNormWeight], node.inputs[Linear::kBias],
            node.inputs[Linear::kResidual],   {id}};
}

}  // namespace

std::optional<LinearLayer> linear_layer_of(const Rewriter& rewriter, ValueId y) {
    const Graph& graph = rewriter.graph();
    const NodeId id = graph.value(y).producer;
    if (id < 0 || rewriter.taken(id)) return std::nullopt;
    const Node& node = graph.node(id);
    if (node.op == &kLinear) return from_linear(node, id);
    if (node.op == &kMatmul) {
        if (!node.attributes.as<Matmul>().transpose_b || !rewriter.is_weight(node.inputs[1]) ||
            graph.value(node.inputs[1]).type.rank() != 2 || graph.value(node.inputs[0]).type.rank() != 2)
            return std::nullopt;
        LinearLayer layer{{}, node.inputs[0], node.inputs[1]};
        layer.matched = {id};
        return layer;
    }
    if (node.op == &kAdd && is_row_weight(rewriter, node.inputs[1]) && rewriter.uses(node.inputs[0]) == 1) {
        auto layer = linear_layer_of(rewriter, node.inputs[0]);
        if (!layer || layer->bias != kAbsent || !layer->linear.activation.empty() || layer->linear.gated ||
            layer->residual != kAbsent)
            return std::nullopt;
        layer->bias = node.inputs[1];
        layer->matched.push_back(id);
        return layer;
    }
    return std::nullopt;
}

std::optional<std::string> activation_name(const Node& node) {
    if (node.op == &kSilu) return "silu";
    if (node.op == &kRelu) return "relu";
    if (node.op == &kGelu) return node.attributes.as<Gelu>().tanh ? "gelu_tanh" : "gelu";
    return std::nullopt;
}

Node linear_node(const LinearLayer& layer, ValueId out) {
    return {&kLinear,
            layer.linear,
            {layer.x, layer.weight, layer.weight_scale, layer.norm_weight, layer.bias, layer.residual},
            {out},
            {},
            {}};
}

void replace_by(Rewriter& rewriter, const LinearLayer& layer, ValueId out) {
    rewriter.replace(layer.matched, linear_node(layer, out));
}

}  // namespace vitro
