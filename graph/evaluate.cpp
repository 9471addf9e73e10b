#include "graph/evaluate.h"

#include <vector>

namespace vitro {

Elements evaluate(const Graph& graph, ValueId wanted, const SymbolValues& symbols, Backend& host, const Known& known) {
    std::vector<const Elements*> at(graph.values.size());
    std::vector<Elements> own(graph.values.size());
    std::vector<bool> needed(graph.nodes.size());
    std::vector<ValueId> open{wanted};
    while (!open.empty()) {
        const auto id = static_cast<std::size_t>(open.back());
        open.pop_back();
        if (at[id] != nullptr) continue;
        const ValueInfo& value = graph.values[id];
        at[id] = value.kind == ValueKind::constant ? &value.data : known(value);
        if (at[id] != nullptr) continue;
        VITRO_CHECK(value.producer >= 0, "{} is not known", value.path);
        if (needed[static_cast<std::size_t>(value.producer)]) continue;
        needed[static_cast<std::size_t>(value.producer)] = true;
        for (const ValueId input : present(graph.node(value.producer).inputs)) open.push_back(input);
    }
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        if (!needed[n]) continue;
        const Node& node = graph.nodes[n];
        std::vector<const Elements*> inputs;
        for (const ValueId id : node.inputs)
            inputs.push_back(id == kAbsent ? nullptr : at[static_cast<std::size_t>(id)]);
        std::vector<Elements> outputs = interpret(graph, node, inputs, symbols, host);
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            const auto id = static_cast<std::size_t>(node.outputs[i]);
            if (at[id] != nullptr) continue;
            own[id] = std::move(outputs[i]);
            at[id] = &own[id];
        }
    }
    return *at[static_cast<std::size_t>(wanted)];
}

}  // namespace vitro
