#include "graph/program.h"

#include "graph/builder.h"
#include "graph/copy.h"
#include "graph/schedule.h"
#include "graph/split_load.h"

#include <algorithm>
#include <chrono>

namespace vitro {
namespace {

/// Times what compile() does one after the other.
struct Stages {
    std::vector<StageRecord> records;

    auto timed(std::string_view name, auto&& work) {
        const auto start = std::chrono::steady_clock::now();
        auto result = work();
        records.push_back({name, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count()});
        return result;
    }
};

PlanRequest request_of(const Graph& graph, std::span<const Target> targets) {
    PlanRequest request;
    for (const Target& target : targets)
        request.devices.push_back(
            {std::string(target.backend.name()), target.backend.alignment(), target.backend.is_host()});
    for (std::size_t i = 0; i < graph.values.size(); ++i)
        request.value_devices.push_back(target_index(targets, device_of(graph, static_cast<ValueId>(i))));
    request.scratch_bytes.resize(graph.nodes.size());
    return request;
}

void check_copy(const Graph& graph, const Node& node, const PlanRequest& request) {
    const auto device = [&](ValueId id) {
        return request.devices[request.value_devices[static_cast<std::size_t>(id)]];
    };
    const DevicePlan from = device(node.inputs[0]), to = device(node.outputs[0]);
    if (!from.is_host && !to.is_host)
        fail("{}: expected the host at one end, found {} and {}", describe(graph, node), from.name, to.name);
}

/// A step for each node but views; writes the scratch that kernels want into `request`.
std::vector<Step> chosen_steps(const Graph& graph, std::span<const Target> targets, PlanRequest& request) {
    std::vector<Step> steps;
    std::size_t left = static_cast<std::size_t>(INT64_MAX) / 2;  // of what is laid out beside the graph's values
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& node = graph.nodes[n];
        if (node.op->is_view) continue;
        Step step{static_cast<NodeId>(n), target_index(targets, node.device)};
        const Target& target = targets[step.device];
        if (node.op == &kCopy) {
            check_copy(graph, node, request);
            steps.push_back(step);
            continue;
        }
        const KernelDef* kernel = find_kernel(target, graph, node);
        if (kernel == nullptr && !target.backend.is_host())
            fail("{}: no kernel on {} takes these types", describe(graph, node), target.backend.name());
        if (kernel != nullptr && kernel->scratch != nullptr) {
            const auto inputs = tensors_at_bounds(graph, node.inputs), outputs = tensors_at_bounds(graph, node.outputs);
            step.scratch_bytes = kernel->scratch({inputs, outputs, node.attributes, target.backend});
        }
        if (step.scratch_bytes > left)
            fail("{}: {} bytes of scratch are too many", describe(graph, node), step.scratch_bytes);
        left -= step.scratch_bytes;
        request.scratch_bytes[n] = step.scratch_bytes;
        step.run = kernel ? kernel->run : node.op->reference;
        step.is_reference = step.run == node.op->reference;
        steps.push_back(step);
    }
    return steps;
}

std::size_t arena_bytes(const Plan& plan) {
    std::size_t bytes = 0;
    for (const DevicePlan& device : plan.devices) bytes += device.bytes(Region::arena);
    return bytes;
}

/// The program whose nodes run in this order.
Program planned(Graph graph, const std::vector<Step>& steps, PlanRequest request, const std::vector<NodeId>& order) {
    Program program;
    program.graph = std::move(graph);
    if (std::is_sorted(order.begin(), order.end())) {
        program.steps = steps;
    } else {
        reorder(program.graph, order);
        std::vector<const Step*> step_of(order.size(), nullptr);
        for (const Step& step : steps) step_of[static_cast<std::size_t>(step.node)] = &step;
        for (std::size_t n = 0; n < order.size(); ++n) {
            const Step* step = step_of[static_cast<std::size_t>(order[n])];
            request.scratch_bytes[n] = step ? step->scratch_bytes : 0;
            if (step == nullptr) continue;
            program.steps.push_back(*step);
            program.steps.back().node = static_cast<NodeId>(n);
        }
    }
    program.plan = make_plan(program.graph, request);
    return program;
}

}  // namespace

Tensor tensor_of(const TensorType& type, const SymbolValues& symbols) {
    Tensor tensor;
    tensor.absent = type.absent;
    tensor.dtype = type.dtype;
    tensor.rank = type.rank();
    for (std::size_t i = 0; i < type.shape.size(); ++i) tensor.sizes[i] = symbols(type.shape[i]);
    return tensor;
}

std::vector<Tensor> tensors_at_bounds(const Graph& graph, const std::vector<ValueId>& ids) {
    std::vector<Tensor> tensors;
    const SymbolValues bounds = graph.bound_values();
    for (const TensorType& type : types_of(graph, ids)) tensors.push_back(tensor_of(type, bounds));
    return tensors;
}

Graph decompose_unsupported(Graph graph, std::span<const Target> targets) {
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
        for (const ValueId id : node.inputs)
            inputs.push_back({id == kAbsent ? kAbsent : moved[static_cast<std::size_t>(id)]});
        if (unsupported(graph, node)) {
            const std::size_t first = out.nodes.size();
            const auto scope = builder.scope(graph.value(node.outputs[0]).path);
            outputs = node.op->decompose(builder, inputs, node.attributes);
            for (std::size_t n = first; n < out.nodes.size(); ++n) {
                out.nodes[n].source = node.source;
                out.nodes[n].device = node.device;
            }
        } else {
            outputs = builder.apply(*node.op, inputs, node.attributes, graph.value(node.outputs[0]).path, node.source);
            out.nodes.back().realizes = node.realizes;
            out.nodes.back().device = node.device;
        }
        for (std::size_t i = 0; i < node.outputs.size(); ++i) {
            const std::string& path = graph.value(node.outputs[i]).path;
            out.rename(outputs[i].id, path);
            moved[static_cast<std::size_t>(node.outputs[i])] = outputs[i].id;
        }
    }
    for (const ValueId id : graph.results) builder.result({moved[static_cast<std::size_t>(id)]});
    for (const StateUpdate& update : graph.updates)
        builder.update({moved[static_cast<std::size_t>(update.state)]}, {moved[static_cast<std::size_t>(update.next)]});
    return decompose_unsupported(builder.finish(), targets);
}

namespace {

Program compile_timed(Graph graph, std::span<const Target> targets, Stages stages) {
    graph = stages.timed("decompose", [&] { return decompose_unsupported(std::move(graph), targets); });
    graph = stages.timed("assign_devices", [&] { return assign_devices(std::move(graph), targets); });
    PlanRequest request = request_of(graph, targets);
    std::vector<Step> steps = stages.timed("choose_kernels", [&] { return chosen_steps(graph, targets, request); });
    const auto orders = stages.timed("schedule", [&] { return schedules(graph, request.scratch_bytes); });
    Program best;
    stages.timed("plan", [&] {
        for (const std::vector<NodeId>& order : orders) {
            const bool is_last = &order == &orders.back();
            Program program = planned(is_last ? std::move(graph) : graph, steps, request, order);
            if (best.steps.empty() || arena_bytes(program.plan) < arena_bytes(best.plan)) best = std::move(program);
        }
        return 0;
    });
    best.stages = std::move(stages.records);
    return best;
}

}  // namespace

Program compile(Graph graph, std::span<const Target> targets) {
    Stages stages;
    auto [load, step] = stages.timed("split_load", [&] { return split_load(std::move(graph)); });
    Program program = compile_timed(std::move(step), targets, std::move(stages));
    program.load = std::move(load);
    return program;
}

Program compile_whole(Graph graph, std::span<const Target> targets) {
    return compile_timed(std::move(graph), targets, {});
}

}  // namespace vitro
