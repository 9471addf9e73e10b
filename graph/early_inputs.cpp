#include "graph/early_inputs.h"

#include <algorithm>
#include <array>
#include <optional>

namespace vitro {
namespace {

/// Positions and sequences of the tokens of a node, and the pages of those: by their roles. None where one is missing.
std::optional<std::array<ValueId, 3>> tokens_of(const Node& node) {
    constexpr InputRole kRoles[] = {InputRole::positions, InputRole::sequences, InputRole::pages};
    std::array<ValueId, 3> out;
    for (std::size_t role = 0; role < out.size(); ++role) {
        out[role] = kAbsent;
        for (std::size_t i = 0; i < std::min(node.op->inputs.size(), node.inputs.size()); ++i)
            if (node.op->inputs[i].role == kRoles[role]) out[role] = node.inputs[i];
        if (out[role] == kAbsent) return std::nullopt;
    }
    return out;
}

}  // namespace

bool may_be_read_early(const Graph& graph, const Node& node, std::size_t input) {
    const auto is_input = [&](ValueId id) { return graph.value(id).kind == ValueKind::input; };
    ValueId id = node.inputs[input];
    if (id == kAbsent || is_input(id)) return id != kAbsent;
    const auto tokens = tokens_of(node);
    if (!tokens || !std::all_of(tokens->begin(), tokens->end(), is_input)) return false;
    while (graph.value(id).kind == ValueKind::result) {  // from one state of the cache to the one before
        const Node& writer = graph.node(graph.value(id).producer);
        const auto alias = std::find_if(writer.op->aliases.begin(), writer.op->aliases.end(),
                                        [&](const Alias& each) { return writer.outputs[each.output] == id; });
        if (alias == writer.op->aliases.end() || writer.op->is_view || tokens_of(writer) != tokens) return false;
        id = writer.inputs[alias->input];
    }
    return graph.value(id).kind == ValueKind::state;
}

}  // namespace vitro
