// r + x·Wᵀ -> linear(x, W, r)
#include "ops/add/add.h"
#include "passes/linear_layer.h"

namespace vitro {
namespace {

bool fuse(Rewriter& rewriter, NodeId add_id) {
    const Graph& graph = rewriter.graph();
    const Node& add = graph.node(add_id);
    const ValueId out = add.outputs[0];
    if (graph.value(add.inputs[0]).type != graph.value(add.inputs[1]).type) return false;  // a bias or a mask
    for (const std::size_t side : {std::size_t{1}, std::size_t{0}}) {
        const ValueId y = add.inputs[side];
        auto layer = linear_layer_of(rewriter, y);
        if (!layer) continue;
        if (layer->residual != kAbsent) return rewriter.refuse(out, "the matmul already has a residual");
        if (!rewriter.require_single_use(out, y)) return false;
        layer->residual = add.inputs[1 - side];
        layer->matched.push_back(add_id);
        rewriter.fired(out, fmt::format("{} added in the matmul", graph.value(layer->residual).path));
        replace_by(rewriter, *layer, out);
        return true;
    }
    return rewriter.refuse(out, "neither side is a matmul with a weight");
}

}  // namespace

bool fuse_residual(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "fuse_residual");
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        if (graph.nodes[n].op == &kAdd) fuse(rewriter, static_cast<NodeId>(n));
    return rewriter.finish();
}

}  // namespace vitro
