// qkv_rope_append(x·Wᵀ (+ b), …) -> qkv_projection(x, W, b, …), with the norm of x that is in the matmul already
//
// For devices that have a kernel for it: there the projection need not go through memory.
#include "ops/qkv_projection/qkv_projection.h"
#include "passes/linear_layer.h"

namespace vitro {
namespace {

bool fuse(Rewriter& rewriter, const PassContext& context, NodeId append_id) {
    const Graph& graph = rewriter.graph();
    const Node& append = graph.node(append_id);
    const ValueId out = append.outputs[0], qkv = append.inputs[QkvRopeAppend::kQkv];
    if (append.inputs[QkvRopeAppend::kK] != kAbsent || append.inputs[QkvRopeAppend::kV] != kAbsent)
        return rewriter.refuse(out, "k or v has a projection of its own");
    auto layer = linear_layer_of(rewriter, qkv);
    if (!layer) return rewriter.refuse(out, "qkv does not come from a matmul with a weight");
    if (!rewriter.require_single_use(out, qkv)) return false;
    const Linear& linear = layer->linear;
    if (!linear.activation.empty() || linear.gated || layer->residual != kAbsent)
        return rewriter.refuse(out, "the matmul has more around it than norm and bias");

    Node node{&kQkvProjection,
              QkvProjection{linear.eps, append.attributes.as<QkvRopeAppend>()},
              {layer->x, layer->weight, append.inputs[QkvRopeAppend::kKCache], append.inputs[QkvRopeAppend::kVCache],
               append.inputs[QkvRopeAppend::kPositions], append.inputs[QkvRopeAppend::kSequences],
               append.inputs[QkvRopeAppend::kPageTable], layer->weight_scale, layer->norm_weight, layer->bias,
               append.inputs[QkvRopeAppend::kRopeLengths]},
              append.outputs,
              append.source,
              {}};
    if (const std::string reason = context.refuses(graph, node); !reason.empty()) return rewriter.refuse(out, reason);
    if (linear.x_rounded) return rewriter.refuse(out, "x is rounded for the matmul alone");

    layer->matched.push_back(append_id);
    rewriter.fired(out, fmt::format("{} projected, rotated and appended in one step", graph.value(layer->x).path));
    rewriter.replace(layer->matched, std::move(node));
    return true;
}

}  // namespace

bool fuse_qkv_projection(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "fuse_qkv_projection");
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        if (graph.nodes[n].op == &kQkvRopeAppend) fuse(rewriter, context, static_cast<NodeId>(n));
    return rewriter.finish();
}

}  // namespace vitro
