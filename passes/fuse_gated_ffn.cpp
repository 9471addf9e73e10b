// act(x·Gᵀ) * (x·Uᵀ) -> linear(x, [G; U]) {gated}
//
// Gate and up come as the two halves of one matmul: the checkpoint has them so, or merge_projections made them so.
#include "ops/add/add.h"
#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "ops/mul/mul.h"
#include "ops/split/split.h"
#include "passes/linear_layer.h"

namespace vitro {
namespace {

bool fuse(Rewriter& rewriter, NodeId mul_id) {
    const Graph& graph = rewriter.graph();
    const Node& mul = graph.node(mul_id);
    const ValueId out = mul.outputs[0];
    // Which factor is the activated one: a candidate needs one.
    for (int side = 0; side < 2; ++side) {
        const ValueId activated = mul.inputs[static_cast<std::size_t>(side)],
                      up = mul.inputs[static_cast<std::size_t>(1 - side)];
        const NodeId act_id = graph.value(activated).producer;
        if (act_id < 0) continue;
        const auto activation = activation_name(graph.node(act_id));
        if (!activation) continue;
        const ValueId gate = graph.node(act_id).inputs[0];
        const NodeId split_id = rewriter.producer(gate, "split");
        if (split_id < 0 || graph.value(up).producer != split_id)
            return rewriter.refuse(out, "gate and up are not halves of one matmul");
        const Node& split = graph.node(split_id);
        if (split.outputs.size() != 2 || graph.value(gate).type != graph.value(up).type)
            return rewriter.refuse(out, "the split is not into two halves");
        if (split.outputs[0] != gate) return rewriter.refuse(out, "the activated half is the second one");
        for (const ValueId id : {activated, gate, up, split.inputs[0]})
            if (!rewriter.require_single_use(out, id)) return false;
        const auto layer = linear_layer_of(rewriter, split.inputs[0]);
        if (!layer) return rewriter.refuse(out, "gate and up do not come from a matmul with a weight");
        if (!layer->linear.activation.empty() || layer->residual != kAbsent)
            return rewriter.refuse(out, "their matmul already has an activation or a residual");
        LinearLayer fused = *layer;
        fused.linear.activation = *activation;
        fused.linear.gated = true;
        fused.matched.insert(fused.matched.end(), {split_id, act_id, mul_id});
        rewriter.fired(out, fmt::format("gated by {} in the matmul", *activation));
        replace_by(rewriter, fused, out);
        return true;
    }
    return false;
}

}  // namespace

bool fuse_gated_ffn(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "fuse_gated_ffn");
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        if (graph.nodes[n].op == &kMul) fuse(rewriter, static_cast<NodeId>(n));
    return rewriter.finish();
}

}  // namespace vitro
