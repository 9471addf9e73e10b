#include "graph/program.h"

#include "graph/builder.h"

#include <algorithm>

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

Graph decompose_unsupported(const Graph& graph, std::span<const KernelDef> kernels) {
    const auto unsupported = [&](const Graph& in, const Node& node) {
        return node.op->decompose != nullptr && choose(kernels, in, node) == nullptr;
    };
    if (std::none_of(graph.nodes.begin(), graph.nodes.end(),
                     [&](const Node& node) { return unsupported(graph, node); }))
        return graph;

    Graph leaves;
    leaves.name = graph.name;
    leaves.bounds = graph.bounds;
    leaves.modules = graph.modules;
    std::vector<ValueId> moved(graph.values.size(), -1);
    for (std::size_t i = 0; i < graph.values.size(); ++i)
        if (graph.values[i].kind != ValueKind::result) moved[i] = leaves.add_value(graph.values[i]);
    Builder builder(std::move(leaves));
    Graph& out = builder.graph();
    for (const Node& node : graph.nodes) {
        std::vector<Value> inputs, outputs;
        for (const ValueId id : node.inputs) inputs.push_back({moved[static_cast<std::size_t>(id)]});
        if (unsupported(graph, node)) {
            const std::size_t first = out.nodes.size();
            const auto scope = builder.scope(graph.value(node.outputs[0]).path);
            outputs = node.op->decompose(builder, inputs, node.attributes);
            for (std::size_t n = first; n < out.nodes.size(); ++n) out.nodes[n].place = node.place;
        } else {
            outputs = builder.apply(*node.op, inputs, node.attributes, graph.value(node.outputs[0]).path, node.place);
            out.nodes.back().realizes = node.realizes;
        }
        for (std::size_t i = 0; i < node.outputs.size(); ++i) {
            const std::string& path = graph.value(node.outputs[i]).path;
            if (out.value(outputs[i].id).path != path) out.rename(outputs[i].id, path);
            moved[static_cast<std::size_t>(node.outputs[i])] = outputs[i].id;
        }
    }
    for (const ValueId id : graph.results) builder.result({moved[static_cast<std::size_t>(id)]});
    for (const StateUpdate& update : graph.updates)
        builder.update({moved[static_cast<std::size_t>(update.state)]}, {moved[static_cast<std::size_t>(update.next)]});
    return decompose_unsupported(builder.finish(), kernels);
}

Program compile(Graph graph, const Target& target) {
    graph = decompose_unsupported(graph, target.kernels);
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
