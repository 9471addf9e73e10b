// f(constants) -> constant
//
// Runs the op's reference at compile time, for results small enough to stand in the graph.
#include "graph/interpret.h"
#include "passes/passes.h"

#include <algorithm>
#include <utility>

namespace vitro {
namespace {

constexpr std::int64_t kMaxBytes = 16384;                    // of one result,
constexpr std::int64_t kMostBytes = std::int64_t{64} << 20;  // and of all

bool can_stand_in_graph(const TensorType& type) {
    return std::none_of(type.shape.begin(), type.shape.end(), [](Dim dim) { return dim.is_symbol(); }) &&
           (type.dtype == DType::f32 || type.dtype == DType::i32) && bytes_of(type, {}) <= kMaxBytes;
}

/// The output of `node`, which reads constants alone.
Elements evaluate(const Graph& graph, const Node& node, Backend& host) {
    std::vector<const Elements*> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(id == kAbsent ? nullptr : &graph.value(id).data);
    return std::move(interpret(graph, node, inputs, {}, host)[0]);
}

}  // namespace

bool fold_constants(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "fold_constants");
    std::vector<ValueId> constant_of(graph.values.size(), kAbsent);  // by ValueId: itself, or what it is folded into
    for (const ValueId id : graph.values_of(ValueKind::constant)) constant_of[static_cast<std::size_t>(id)] = id;
    std::int64_t left = kMostBytes;
    for (const Node& node : graph.nodes) {
        if (node.outputs.size() != 1 || node.inputs.empty()) continue;
        Node now{.op = node.op, .attributes = node.attributes, .inputs = node.inputs, .outputs = node.outputs};
        bool reads_constants = true;
        for (ValueId& id : now.inputs) {
            if (id == kAbsent) continue;
            id = constant_of[static_cast<std::size_t>(id)];
            reads_constants = reads_constants && id != kAbsent;
        }
        const ValueId out = node.outputs[0];
        const TensorType type = graph.value(out).type;
        if (!reads_constants || !can_stand_in_graph(type)) continue;
        if (left < kMaxBytes) {
            rewriter.refuse(out, "the folded constants already fill the size that a graph may hold");
            continue;
        }
        left -= bytes_of(type, {});
        rewriter.fired(out, "is a constant");
        const ValueId folded =
            rewriter.constant(graph.value(out).path + ".folded", type, evaluate(graph, now, context.host()));
        constant_of[static_cast<std::size_t>(out)] = folded;
        rewriter.replace_uses(out, folded, Fate::Kind::folded);
    }
    return rewriter.finish();
}

}  // namespace vitro
