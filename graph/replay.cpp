#include "graph/replay.h"

#include "graph/copier.h"
#include "graph/verify.h"

#include <algorithm>
#include <map>

namespace vitro {

Graph replay_graph(const Program& program, NodeId id) {
    const Graph& graph = program.graph;
    const Node& node = graph.node(id);
    Graph out;
    out.name = fmt::format("{} at {}", node.op->name, graph.value(node.outputs[0]).path);
    out.bounds = graph.bounds;
    const auto is_written = [&](std::size_t input) {
        return !node.op->is_view && std::any_of(node.op->aliases.begin(), node.op->aliases.end(),
                                                [&](const Alias& alias) { return alias.input == input; });
    };
    std::map<ValueId, ValueId> moved;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        const ValueId input = node.inputs[i];
        if (input == kAbsent || moved.contains(input)) continue;
        const ValueInfo& value = graph.value(input);
        ValueInfo leaf{.kind = value.kind == ValueKind::constant ? ValueKind::constant
                               : is_written(i)                   ? ValueKind::state
                                                                 : ValueKind::input,
                       .type = value.type,
                       .path = value.path};
        if (leaf.kind == ValueKind::constant) leaf.data = value.data;
        moved[input] = out.add_value(std::move(leaf));
    }
    Node copy{.op = node.op, .attributes = node.attributes, .source = node.source};
    for (const ValueId input : node.inputs) copy.inputs.push_back(input == kAbsent ? kAbsent : moved.at(input));
    for (const ValueId output : node.outputs) {
        const ValueInfo& value = graph.value(output);
        copy.outputs.push_back(out.add_value({.type = value.type, .path = value.path, .producer = 0}));
    }
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
        const auto alias = std::find_if(node.op->aliases.begin(), node.op->aliases.end(),
                                        [&](const Alias& one) { return one.output == i; });
        if (alias != node.op->aliases.end() && !node.op->is_view)
            out.updates.push_back({copy.inputs[alias->input], copy.outputs[i]});
        else
            out.results.push_back(copy.outputs[i]);
    }
    out.nodes.push_back(std::move(copy));
    verify(out);
    return out;
}

std::vector<ValueId> replay_inputs(const Program& program, NodeId node) {
    std::vector<ValueId> out;
    for (const ValueId id : present(program.graph.node(node).inputs))
        if (program.graph.value(id).kind != ValueKind::constant && std::find(out.begin(), out.end(), id) == out.end())
            out.push_back(id);
    return out;
}

}  // namespace vitro
