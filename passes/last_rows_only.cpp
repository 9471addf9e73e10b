// gather_rows(f(x)) -> f(gather_rows(x)), for f that works row by row
//
// Only the rows whose logits are wanted reach the head: in a prefill, one of many.
#include "ops/gather_rows/gather_rows.h"
#include "passes/passes.h"

namespace vitro {
namespace {

/// Why row r of the node's output does not depend on row r of its first input alone, or empty.
std::string not_row_by_row(const Graph& graph, const Node& node) {
    const OpDef& op = *node.op;
    const auto rank = [&](ValueId id) { return graph.value(id).type.rank(); };
    if (op.locality != Locality::rows && op.locality != Locality::elements)
        return fmt::format("{} does not work row by row", op.name);
    if (node.outputs.size() != 1 || rank(node.inputs[0]) != 2 || rank(node.outputs[0]) != 2)
        return "it is not a matrix of rows";
    for (std::size_t i = 1; i < node.inputs.size(); ++i)
        if (node.inputs[i] != kAbsent && input_def(op, i).role == InputRole::values && rank(node.inputs[i]) > 1)
            return fmt::format("{} has two inputs with rows", op.name);
    return {};
}

/// Moves the gather up through all row by row ops above it.
void move_up(Rewriter& rewriter, NodeId gather_id) {
    const Graph& graph = rewriter.graph();
    const Node& gather = graph.node(gather_id);
    ValueId x = gather.inputs[0], out = gather.outputs[0];
    std::vector<NodeId> matched{gather_id};
    NodeId last = -1;  // the highest op that it moved through
    const auto moves = [&](NodeId producer) {
        if (producer < 0) return rewriter.refuse(out, "no node computes its rows");
        const std::string reason = not_row_by_row(graph, graph.node(producer));
        return reason.empty() ? rewriter.require_single_use(out, x) : rewriter.refuse(out, reason);
    };
    for (NodeId producer = graph.value(x).producer; moves(producer); producer = graph.value(x).producer) {
        Node then = graph.node(producer);
        x = then.inputs[0];
        TensorType type = graph.value(x).type;
        type.shape[0] = graph.value(gather.inputs[1]).type.dim(0);
        then.inputs[0] = rewriter.new_value(graph.value(x).path + ".rows", std::move(type));
        then.outputs = {out};
        rewriter.fired(out, fmt::format("{} sees only the wanted rows", then.op->name));
        out = then.inputs[0];
        matched.insert(matched.begin(), producer);
        rewriter.replace(matched, std::move(then));
        matched.clear();
        last = producer;
    }
    if (last >= 0)
        rewriter.insert({gather.op, gather.attributes, {x, gather.inputs[1]}, {out}, gather.source, {}}, last);
}

}  // namespace

bool last_rows_only(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "last_rows_only");
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        if (graph.nodes[n].op == &kGatherRows) move_up(rewriter, static_cast<NodeId>(n));
    return rewriter.finish();
}

}  // namespace vitro
