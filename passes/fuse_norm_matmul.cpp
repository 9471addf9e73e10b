// rms_norm(x, n)·Wᵀ -> linear(x, W, n), where the device has a kernel that norms
#include "ops/rms_norm/rms_norm.h"
#include "passes/linear_layer.h"

namespace vitro {
namespace {

bool fuse(Rewriter& rewriter, const PassContext& context, NodeId norm_id) {
    const Graph& graph = rewriter.graph();
    const Node& norm = graph.node(norm_id);
    const ValueId normed = norm.outputs[0];
    if (!rewriter.require_single_use(normed, normed)) return false;
    if (!rewriter.is_weight(norm.inputs[1]) && graph.value(norm.inputs[1]).kind != ValueKind::constant)
        return rewriter.refuse(normed, "what it is multiplied by is not a weight");
    if (rewriter.users(normed).empty()) return rewriter.refuse(normed, "it is a result of the graph");
    const NodeId user = rewriter.users(normed)[0];
    const ValueId out = graph.node(user).outputs[0];
    auto layer = linear_layer_of(rewriter, out);
    if (!layer || layer->matched.size() != 1 || layer->x != normed)
        return rewriter.refuse(normed, fmt::format("its user {} is not a matmul with a weight", graph.value(out).path));
    if (layer->norm_weight != kAbsent) return rewriter.refuse(normed, "the matmul already has a norm");
    layer->linear.eps = norm.attributes.as<RmsNorm>().eps;
    layer->x = norm.inputs[0];
    layer->norm_weight = norm.inputs[1];
    layer->matched.insert(layer->matched.begin(), norm_id);
    if (const std::string reason = context.refuses(graph, linear_node(*layer, out)); !reason.empty())
        return rewriter.refuse(normed, reason);
    rewriter.fired(normed, fmt::format("normed in {}", graph.value(out).path));
    replace_by(rewriter, *layer, out);
    return true;
}

}  // namespace

bool fuse_norm_matmul(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "fuse_norm_matmul");
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        if (graph.nodes[n].op == &kRmsNorm) fuse(rewriter, context, static_cast<NodeId>(n));
    return rewriter.finish();
}

}  // namespace vitro
