// act(x·Wᵀ + b) -> linear(x, W, b) {activation}, with or without the bias
#include "passes/linear_layer.h"

namespace vitro {
namespace {

bool fuse(Rewriter& rewriter, const PassContext& context, NodeId id, const std::string& activation) {
    const Graph& graph = rewriter.graph();
    const ValueId y = graph.node(id).inputs[0], out = graph.node(id).outputs[0];
    auto layer = linear_layer_of(rewriter, y);
    if (!layer) return rewriter.refuse(out, fmt::format("{} is no matmul with a weight", graph.value(y).path));
    if (!layer->linear.activation.empty() || layer->residual != kAbsent)
        return rewriter.refuse(out, "the matmul already has an activation or a residual");
    if (!rewriter.require_single_use(out, y)) return false;
    layer->linear.activation = activation;
    layer->matched.push_back(id);
    if (const std::string reason = context.refuses(graph, linear_node(*layer, out)); !reason.empty())
        return rewriter.refuse(out, reason);
    rewriter.fired(out, fmt::format("{} in the matmul", activation));
    replace_by(rewriter, *layer, out);
    return true;
}

}  // namespace

bool fuse_activation(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "fuse_activation");
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        if (const auto activation = activation_name(graph.nodes[n]))
            fuse(rewriter, context, static_cast<NodeId>(n), *activation);
    return rewriter.finish();
}

}  // namespace vitro
