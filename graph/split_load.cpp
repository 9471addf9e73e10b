#include "graph/split_load.h"

#include "graph/copier.h"

#include <algorithm>

namespace vitro {
namespace {

std::size_t index(std::int32_t id) { return static_cast<std::size_t>(id); }

bool has_fixed_size(const TensorType& type) {
    return std::none_of(type.shape.begin(), type.shape.end(), [](Dim dim) { return dim.is_symbol(); });
}

/// Whether the node computes what it computes wherever it stands: it changes nothing and is not bound to a device.
bool can_move(const Graph& graph, const Node& node) {
    return node.device.empty() && !node.inputs.empty() && (node.op->aliases.empty() || node.op->is_view) &&
           std::all_of(node.outputs.begin(), node.outputs.end(),
                       [&](ValueId id) { return has_fixed_size(graph.value(id).type); });
}

/// What of a graph belongs to the step, what to the load program: by NodeId and ValueId.
struct Division {
    std::vector<bool> at_load, in_step, in_load;  // nodes; a view may be in both
    std::vector<bool> step_reads, load_reads;     // values
    std::vector<ValueId> prepared;                // made by the load program, read by the step

    explicit Division(const Graph& graph)
        : at_load(load_nodes(graph)),
          in_step(graph.nodes.size()),
          in_load(graph.nodes.size()),
          step_reads(graph.values.size()),
          load_reads(graph.values.size()) {
        for (const ValueId id : graph.results) step_reads[index(id)] = true;
        for (const StateUpdate& update : graph.updates) step_reads[index(update.next)] = true;
        for (std::size_t n = graph.nodes.size(); n-- > 0;) {
            const Node& node = graph.nodes[n];
            const auto reads = [&](const std::vector<bool>& read) {
                return std::any_of(node.outputs.begin(), node.outputs.end(),
                                   [&](ValueId id) { return bool(read[index(id)]); });
            };
            in_step[n] = !at_load[n] || (node.op->is_view && reads(step_reads));
            if (at_load[n] && !node.op->is_view)
                for (const ValueId id : node.outputs)
                    if (step_reads[index(id)]) {
                        prepared.push_back(id);
                        load_reads[index(id)] = true;
                    }
            in_load[n] = at_load[n] && reads(load_reads);
            for (const ValueId id : present(node.inputs)) {
                if (in_step[n]) step_reads[index(id)] = true;
                if (in_load[n]) load_reads[index(id)] = true;
            }
        }
        std::sort(prepared.begin(), prepared.end());
    }
};

}  // namespace

std::vector<bool> load_nodes(const Graph& graph) {
    std::vector<bool> is_fixed(graph.values.size()), out(graph.nodes.size());
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
        const ValueKind kind = graph.values[i].kind;
        is_fixed[i] =
            (kind == ValueKind::weight || kind == ValueKind::constant) && has_fixed_size(graph.values[i].type);
    }
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& node = graph.nodes[n];
        out[n] = can_move(graph, node) &&
                 std::ranges::all_of(present(node.inputs), [&](ValueId id) { return bool(is_fixed[index(id)]); });
        for (const ValueId id : node.outputs) is_fixed[index(id)] = out[n];
    }
    return out;
}

SplitGraph split_load(Graph graph) {
    for (const ValueInfo& value : graph.values)
        if (value.prepared)
            fail("weight {}: {} is made by a load program, which this graph does not have", value.path, value.source);
    const Division division(graph);
    if (division.prepared.empty()) {
        Graph none = like(graph);
        return {std::move(none), std::move(graph)};
    }
    SplitGraph out{like(graph), like(graph)};
    out.step.bounds = graph.bounds;
    Copier load(graph, out.load), step(graph, out.step);
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
        const auto id = static_cast<ValueId>(i);
        if (graph.value(id).kind == ValueKind::result) continue;
        if (division.load_reads[i]) load.leaf(id);
        if (division.step_reads[i] || !division.load_reads[i]) step.leaf(id);
    }
    for (const ValueId id : division.prepared) {
        const ValueInfo& value = graph.value(id);
        ValueInfo weight{ValueKind::weight, value.type, value.path};
        weight.source = value.path;
        weight.prepared = true;
        step[id] = out.step.add_value(std::move(weight));
    }
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        if (division.in_load[n]) load.node(graph.nodes[n]);
        if (division.in_step[n]) step.node(graph.nodes[n]);
    }
    for (const ValueId id : division.prepared) out.load.results.push_back(load[id]);
    for (const ValueId id : graph.results) out.step.results.push_back(step[id]);
    for (const auto& [state, next] : graph.updates) out.step.updates.push_back({step[state], step[next]});
    return out;
}

}  // namespace vitro
