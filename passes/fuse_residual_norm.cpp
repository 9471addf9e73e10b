// s = x + y, rms_norm(s, n) -> add_rms_norm(x, y, n), whose outputs are both
//
// Takes the residual sums that no matmul took, and the norms that went into no matmul.
#include "ops/add/add.h"
#include "ops/add_rms_norm/add_rms_norm.h"
#include "passes/passes.h"

#include <algorithm>

namespace vitro {
namespace {

bool fuse(Rewriter& rewriter, const PassContext& context, NodeId norm_id) {
    const Graph& graph = rewriter.graph();
    const Node& norm = graph.node(norm_id);
    const ValueId out = norm.outputs[0], sum = norm.inputs[0];
    const NodeId add_id = rewriter.producer(sum, "add");
    if (add_id < 0) return rewriter.refuse(out, fmt::format("{} is not a sum", graph.value(sum).path));
    const Node& add = graph.node(add_id);
    if (rewriter.taken(add_id)) return rewriter.refuse(out, "another norm of the sum took it");
    if (graph.value(add.inputs[0]).type != graph.value(add.inputs[1]).type)
        return rewriter.refuse(out, "the sum is of two different types");
    if (graph.value(norm.inputs[1]).kind == ValueKind::result)
        return rewriter.refuse(out, "the norm's weight is not given but computed");
    Node node{&kAddRmsNorm, norm.attributes, {add.inputs[0], add.inputs[1], norm.inputs[1]}, {sum, out}, {}, {}};
    if (const std::string reason = context.refuses(graph, node); !reason.empty()) return rewriter.refuse(out, reason);
    rewriter.fired(out, fmt::format("sum and norm in one op, with {}", graph.value(sum).path));
    const NodeId matched[] = {add_id, norm_id};
    rewriter.replace(matched, std::move(node));
    return true;
}

}  // namespace

bool fuse_residual_norm(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "fuse_residual_norm");
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        if (graph.nodes[n].op->name == "rms_norm") fuse(rewriter, context, static_cast<NodeId>(n));
    return rewriter.finish();
}

}  // namespace vitro
