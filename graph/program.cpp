#include "graph/program.h"

#include "graph/builder.h"
#include "graph/copy.h"

#include <algorithm>

namespace vitro {
namespace {

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

Graph decompose_unsupported(const Graph& graph, std::span<const Target> targets) {
    const auto unsupported = [&](const Graph& in, const Node& node) {
        return node.op->decompose != nullptr &&
               find_kernel(targets[target_index(targets, node.device)], in, node) == nullptr;
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
            for (std::size_t n = first; n < out.nodes.size(); ++n) {
                out.nodes[n].place = node.place;
                out.nodes[n].device = node.device;
            }
        } else {
            outputs = builder.apply(*node.op, inputs, node.attributes, graph.value(node.outputs[0]).path, node.place);
            out.nodes.back().realizes = node.realizes;
            out.nodes.back().device = node.device;
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
    return decompose_unsupported(builder.finish(), targets);
}

Program compile(Graph graph, std::span<const Target> targets) {
    graph = place(decompose_unsupported(graph, targets), targets);
    Program program;
    PlanRequest request;
    for (const Target& target : targets) request.alignments.push_back(target.backend.alignment());
    for (std::size_t i = 0; i < graph.values.size(); ++i)
        request.value_devices.push_back(target_index(targets, device_of(graph, static_cast<ValueId>(i))));
    request.scratch_bytes.resize(graph.nodes.size());
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& node = graph.nodes[n];
        if (node.op->is_view) continue;
        const std::size_t device = target_index(targets, node.device);
        const Target& target = targets[device];
        if (node.op == &kCopy) {
            const std::size_t from = request.value_devices[static_cast<std::size_t>(node.inputs[0])];
            if (!targets[from].backend.is_host() && !target.backend.is_host())
                fail("{}: expected the host at one end, found {} and {}", describe(graph, node),
                     targets[from].backend.name(), target.backend.name());
            program.steps.push_back({static_cast<NodeId>(n), device});
            continue;
        }
        const KernelDef* kernel = find_kernel(target, graph, node);
        if (kernel == nullptr && !target.backend.is_host())
            fail("{}: no kernel on {} takes these types", describe(graph, node), target.backend.name());
        if (kernel != nullptr && kernel->scratch != nullptr) {
            const auto inputs = tensors_at_bounds(graph, node.inputs), outputs = tensors_at_bounds(graph, node.outputs);
            request.scratch_bytes[n] = kernel->scratch({inputs, outputs, node.attributes, target.backend});
        }
        program.steps.push_back(
            {static_cast<NodeId>(n), device, kernel ? kernel->run : node.op->reference, kernel == nullptr});
    }
    program.plan = make_plan(graph, request);
    program.graph = std::move(graph);
    return program;
}

}  // namespace vitro
