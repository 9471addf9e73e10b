// reshape(reshape(x)) -> reshape(x)
// x * 1, cast(x) to its own dtype, reshape and transpose and slice that change nothing, concat of one -> x
#include "ops/cast/cast.h"
#include "ops/reshape/reshape.h"
#include "ops/transpose/transpose.h"
#include "passes/passes.h"

#include <cstring>
#include <numeric>

namespace vitro {
namespace {

/// Whether a value is a constant of ones.
bool is_one(const ValueInfo& value) {
    if (value.kind != ValueKind::constant || value.type.dtype != DType::f32 || value.data.size() != sizeof(float))
        return false;
    float number;
    std::memcpy(&number, value.data.data(), sizeof number);
    return number == 1.0f;
}

/// The input that the node's output equals, or -1.
ValueId same_as(const Graph& graph, const Node& node) {
    const TensorType& out = graph.value(node.outputs[0]).type;
    const std::string_view op = node.op->name;
    const auto input = [&](std::size_t i) -> const ValueInfo& { return graph.value(node.inputs[i]); };
    if (op == "cast" || op == "reshape" || op == "slice" || op == "repeat")
        return input(0).type == out ? node.inputs[0] : -1;
    if (op == "concat" || op == "split")
        return node.inputs.size() == 1 && node.outputs.size() == 1 ? node.inputs[0] : -1;
    if (op == "transpose") {
        std::vector<std::int64_t> identity(out.shape.size());
        std::iota(identity.begin(), identity.end(), 0);
        return node.attributes.as<Transpose>().permutation == identity ? node.inputs[0] : -1;
    }
    if (op == "mul") {
        if (is_one(input(1)) && input(0).type == out) return node.inputs[0];
        if (is_one(input(0)) && input(1).type == out) return node.inputs[1];
    }
    return -1;
}

}  // namespace

bool canonicalize(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "canonicalize");
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& node = graph.nodes[n];
        const ValueId out = node.outputs[0];
        if (const ValueId same = same_as(graph, node); same >= 0) {
            rewriter.fired(out, fmt::format("is {}", graph.value(same).path));
            rewriter.replace_uses(out, same, Fate::Kind::merged);
            continue;
        }
        if (node.op->name != "reshape") continue;
        const NodeId inner = rewriter.producer(node.inputs[0], "reshape");
        if (inner < 0) continue;
        rewriter.fired(out, fmt::format("reshapes {} at once", graph.value(graph.node(inner).inputs[0]).path));
        Node once = node;
        once.inputs = {graph.node(inner).inputs[0]};
        std::vector<NodeId> matched{static_cast<NodeId>(n)};
        if (rewriter.uses(node.inputs[0]) == 1 && !rewriter.taken(inner)) matched.insert(matched.begin(), inner);
        rewriter.replace(matched, std::move(once));
    }
    return rewriter.finish();
}

}  // namespace vitro
