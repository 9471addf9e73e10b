// f(constants) -> constant
//
// Runs the op's reference at compile time, for results small enough to stand in the graph.
#include "graph/index_check.h"
#include "graph/program.h"
#include "passes/passes.h"

namespace vitro {
namespace {

constexpr std::int64_t kMaxBytes = 16384;

bool is_foldable(const Graph& graph, const Node& node) {
    if (node.outputs.size() != 1 || node.inputs.empty()) return false;
    for (const ValueId id : present(node.inputs))
        if (graph.value(id).kind != ValueKind::constant) return false;
    const TensorType& out = graph.value(node.outputs[0]).type;
    for (const Dim dim : out.shape)
        if (dim.is_symbol()) return false;
    return (out.dtype == DType::f32 || out.dtype == DType::i32) && bytes_of(out, {}) <= kMaxBytes;
}

std::vector<std::byte> evaluate(const Graph& graph, const Node& node, Backend& host) {
    std::vector<Tensor> inputs;
    for (const ValueId id : node.inputs) {
        if (id == kAbsent) {
            inputs.push_back(Tensor::none());
            continue;
        }
        inputs.push_back(tensor_of(graph.value(id).type, {}));
        inputs.back().data = const_cast<std::byte*>(graph.value(id).data.data());
    }
    check_indices(graph, node, inputs, {});
    Tensor out = tensor_of(graph.value(node.outputs[0]).type, {});
    std::vector<std::byte> data(static_cast<std::size_t>(out.bytes()));
    out.data = data.data();
    node.op->reference({inputs, {&out, 1}, node.attributes, host});
    return data;
}

}  // namespace

bool fold_constants(Graph& graph, PassContext& context) {
    bool changed = false;
    // One level at a time: a folded node makes its users foldable.
    for (bool again = true; again;) {
        Rewriter rewriter(graph, context.journal, "fold_constants");
        for (const Node& node : graph.nodes) {
            if (!is_foldable(graph, node)) continue;
            const ValueId out = node.outputs[0];
            const std::string path = graph.value(out).path;
            const TensorType type = graph.value(out).type;
            rewriter.fired(out, "is a constant");
            rewriter.replace_uses(out, rewriter.constant(path + ".folded", type, evaluate(graph, node, context.host())),
                                  Fate::Kind::folded);
        }
        again = rewriter.finish();
        changed |= again;
    }
    return changed;
}

}  // namespace vitro
