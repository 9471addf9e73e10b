// x·Wᵀ + b -> linear(x, W, b)
#include "ops/add/add.h"
#include "passes/linear_layer.h"

namespace vitro {

bool fuse_bias(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "fuse_bias");
    for (const Node& node : graph.nodes) {
        if (node.op != &kAdd) continue;
        const ValueId out = node.outputs[0];
        if (!rewriter.is_weight(node.inputs[1]) || graph.value(node.inputs[1]).type.rank() != 1) continue;
        const auto layer = linear_layer_of(rewriter, out);
        if (!layer) {
            rewriter.refuse(out, "what it is added to is not a matmul with a weight that is used only once");
            continue;
        }
        rewriter.fired(out, "added in the matmul");
        replace_by(rewriter, *layer, out);
    }
    return rewriter.finish();
}

}  // namespace vitro
