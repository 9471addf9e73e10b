#include "graph/program.h"

namespace vitro {
namespace {

/// The first kernel for the node's op that takes its types, or null.
const KernelDef* choose(std::span<const KernelDef> kernels, const Graph& graph, const Node& node) {
    for (const KernelDef& kernel : kernels) {
        if (kernel.op != node.op->name) continue;
        if (!kernel.refuses ||
            kernel.refuses(types_of(graph, node.inputs), types_of(graph, node.outputs), node.attributes).empty())
            return &kernel;
    }
    return nullptr;
}

std::vector<Tensor> tensors_at_bounds(const Graph& graph, const std::vector<ValueId>& ids) {
    std::vector<Tensor> tensors;
    for (const ValueId id : ids) tensors.push_back(tensor_of(graph.value(id).type, graph.bound_values()));
    return tensors;
}

}  // namespace

Tensor tensor_of(const TensorType& type, const SymbolValues& symbols) {
    Tensor tensor;
    tensor.dtype = type.dtype;
    tensor.rank = type.rank();
    for (std::size_t i = 0; i < type.shape.size(); ++i) tensor.sizes[i] = symbols(type.shape[i]);
    return tensor;
}

Program compile(Graph graph, const Target& target) {
    Program program;
    std::vector<std::size_t> scratch(graph.nodes.size());
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& node = graph.nodes[n];
        if (node.op->is_view) continue;
        const KernelDef* kernel = choose(target.kernels, graph, node);
        if (kernel == nullptr && !target.backend.is_host())
            fail("{}: no kernel on {} takes these types", describe(graph, node), target.backend.name());
        if (kernel != nullptr && kernel->scratch != nullptr) {
            const auto inputs = tensors_at_bounds(graph, node.inputs), outputs = tensors_at_bounds(graph, node.outputs);
            scratch[n] = kernel->scratch({inputs, outputs, node.attributes, target.backend});
        }
        program.steps.push_back({static_cast<NodeId>(n), kernel ? kernel->run : node.op->reference, kernel == nullptr});
    }
    program.plan = make_plan(graph, scratch, target.backend.alignment());
    program.graph = std::move(graph);
    return program;
}

}  // namespace vitro
