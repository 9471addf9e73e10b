// reshape(reshape(x)) -> reshape(x), transpose(transpose(x)) -> transpose(x), cast(cast(x)) -> cast(x) where the inner
// one loses nothing; a·transpose(b) -> a·bᵀ
// x * 1, cast(x) to its own dtype, reshape and transpose and slice that change nothing, concat of one -> x
#include "ops/cast/cast.h"
#include "ops/matmul/matmul.h"
#include "ops/mul/mul.h"
#include "ops/reshape/reshape.h"
#include "ops/transpose/transpose.h"
#include "passes/passes.h"

#include <cstring>
#include <optional>

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
    const OpDef& op = *node.op;
    if (op.is_identity && op.is_identity(types_of(graph, node.inputs), types_of(graph, node.outputs), node.attributes))
        return node.inputs[0];
    const TensorType& out = graph.value(node.outputs[0]).type;
    const auto input = [&](std::size_t i) -> const ValueInfo& { return graph.value(node.inputs[i]); };
    if (node.op == &kMul) {
        if (is_one(input(1)) && input(0).type == out) return node.inputs[0];
        if (is_one(input(0)) && input(1).type == out) return node.inputs[1];
    }
    return -1;
}

/// Whether every value of `from` is one of `to`.
bool holds(DType to, DType from) {
    return to == from || (to == DType::f32 && is_stored_float(from)) || (from == DType::f8e4m3 && is_stored_float(to));
}

/// A matmul's last two dimensions of b, the other way round.
bool turns_matrix(const std::vector<std::int64_t>& permutation) {
    const auto rank = std::ssize(permutation);
    if (rank < 2 || permutation[std::size_t(rank - 1)] != rank - 2) return false;
    for (std::int64_t i = 0; i < rank - 2; ++i)
        if (permutation[std::size_t(i)] != i) return false;
    return true;
}

/// What the node is together with the node that computes one of its inputs: `once` reads that one's input instead.
struct Joined {
    NodeId inner;
    Node once;
    std::string what;
};

std::optional<Joined> joined_with_input(const Rewriter& rewriter, const Node& node) {
    const Graph& graph = rewriter.graph();
    const bool is_matmul = node.op == &kMatmul;
    const ValueId between = node.inputs[is_matmul ? 1 : 0];
    const NodeId inner_id = rewriter.producer(between, is_matmul ? "transpose" : node.op->name);
    if (inner_id < 0 || rewriter.taken(inner_id)) return std::nullopt;
    const Node& inner = graph.node(inner_id);
    const ValueId x = inner.inputs[0];
    Joined joined{inner_id, node, {}};
    joined.once.inputs[is_matmul ? 1 : 0] = x;
    joined.once.realizes.clear();  // what both stand for
    if (node.op == &kReshape) {
        joined.what = "reshapes {} at once";
    } else if (node.op == &kTranspose) {
        std::vector<std::int64_t> permutation;
        for (const std::int64_t axis : node.attributes.as<Transpose>().permutation)
            permutation.push_back(inner.attributes.as<Transpose>().permutation[static_cast<std::size_t>(axis)]);
        joined.once.attributes = Transpose{permutation};
        joined.what = "transposes {} at once";
    } else if (node.op == &kCast) {
        if (!holds(graph.value(between).type.dtype, graph.value(x).type.dtype)) return std::nullopt;
        joined.what = "casts {} at once";
    } else if (is_matmul) {
        if (!turns_matrix(inner.attributes.as<Transpose>().permutation)) return std::nullopt;
        joined.once.attributes = Matmul{.transpose_b = !node.attributes.as<Matmul>().transpose_b};
        joined.what = "multiplies by {} as it is";
    } else {
        return std::nullopt;
    }
    joined.what = fmt::format(fmt::runtime(joined.what), graph.value(x).path);
    return joined;
}

bool canonicalize_once(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "canonicalize");
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& node = graph.nodes[n];
        const ValueId out = node.outputs[0];
        if (const ValueId same = same_as(graph, node); same >= 0) {
            if (!rewriter.require_lasting(out, same)) continue;
            rewriter.fired(out, fmt::format("is {}", graph.value(same).path));
            rewriter.replace_uses(out, same, Fate::Kind::merged);
            continue;
        }
        auto joined = joined_with_input(rewriter, node);
        if (!joined) continue;
        rewriter.fired(out, joined->what);
        std::vector<NodeId> matched{static_cast<NodeId>(n)};
        const ValueId between = graph.node(joined->inner).outputs[0];
        if (rewriter.uses(between) == 1) matched.insert(matched.begin(), joined->inner);
        rewriter.replace(matched, std::move(joined->once));
    }
    return rewriter.finish();
}

}  // namespace

bool canonicalize(Graph& graph, PassContext& context) {
    bool changed = false;
    while (canonicalize_once(graph, context)) changed = true;  // a chain shrinks by one link at a time
    return changed;
}

}  // namespace vitro
