// x·W -> x·(Wᵀ)ᵀ, W a weight: Wᵀ is computed when the weights are loaded
//
// So every matmul with a weight looks alike, however its checkpoint has the matrix: the other passes, and the kernels
// that read a weight row by row, need know one way only.
#include "ops/matmul/matmul.h"
#include "ops/transpose/transpose.h"
#include "passes/passes.h"

namespace vitro {

bool turn_weights(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "turn_weights");
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& node = graph.nodes[n];
        if (node.op != &kMatmul || node.attributes.as<Matmul>().transpose_b) continue;
        const ValueId out = node.outputs[0], weight = node.inputs[1];
        const TensorType type = graph.value(weight).type;
        if (!rewriter.is_weight(weight) || type.rank() != 2) {
            rewriter.refuse(out, fmt::format("{} is no matrix of weights", graph.value(weight).path));
            continue;
        }
        const ValueId turned =
            rewriter.new_value(graph.value(weight).path + ".turned", {type.dtype, {type.dim(1), type.dim(0)}});
        rewriter.fired(out, fmt::format("{} is turned when it is loaded", graph.value(weight).path));
        rewriter.insert({&kTranspose, Transpose{{1, 0}}, {weight}, {turned}, node.source, {}}, static_cast<NodeId>(n));
        rewriter.replace(std::vector{static_cast<NodeId>(n)},
                         {&kMatmul, Matmul{.transpose_b = true}, {node.inputs[0], turned}, {out}, node.source, {}});
    }
    return rewriter.finish();
}

}  // namespace vitro
