#include "graph/interpret.h"

#include "graph/index_check.h"
#include "graph/program.h"

namespace vitro {

std::vector<Elements> interpret(const Graph& graph, const Node& node, std::span<const Elements* const> inputs,
                                const SymbolValues& symbols, Backend& host) {
    std::vector<Tensor> in, out;
    std::vector<Elements> memory;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i] == nullptr) {
            in.push_back(Tensor::none());
            continue;
        }
        in.push_back(tensor_of(graph.value(node.inputs[i]).type, symbols));
        VITRO_CHECK(in[i].bytes() == static_cast<std::int64_t>(inputs[i]->size()));
        in[i].data = const_cast<std::byte*>(inputs[i]->data());  // references only read their inputs
    }
    for (const ValueId id : node.outputs) {
        out.push_back(tensor_of(graph.value(id).type, symbols));
        memory.emplace_back(static_cast<std::size_t>(out.back().bytes()));
        out.back().data = memory.back().data();
    }
    check_indices(graph, node, in, symbols);
    for (const auto& [output, input] : node.op->aliases) {
        memory[output] = *inputs[input];
        out[output].data = in[input].data = memory[output].data();
    }
    if (!node.op->is_view) node.op->reference({in, out, node.attributes, host});
    return memory;
}

Elements leaf_elements(const ValueInfo& value, const SymbolValues& symbols, const FillValue& fill) {
    constexpr std::int64_t kMostElements = std::int64_t{1} << 29;  // some seconds of making numbers up
    if (value.kind == ValueKind::constant) return value.data;
    Tensor tensor = tensor_of(value.type, symbols);
    if (value.kind != ValueKind::weight && tensor.elements() > kMostElements)
        fail("{}: expected at most {} elements to make up, found {}: take smaller sizes", value.path, kMostElements,
             tensor.elements());
    Elements elements(static_cast<std::size_t>(tensor.bytes()));
    tensor.data = elements.data();
    fill(value, tensor);
    return elements;
}

std::vector<Elements> interpret(const Graph& graph, const SymbolValues& symbols, Backend& host, const FillValue& fill) {
    std::vector<Elements> all(graph.values.size());
    for (std::size_t i = 0; i < graph.values.size(); ++i)
        if (graph.values[i].kind != ValueKind::result) all[i] = leaf_elements(graph.values[i], symbols, fill);
    for (const Node& node : graph.nodes) {
        std::vector<const Elements*> inputs;
        for (const ValueId id : node.inputs)
            inputs.push_back(id == kAbsent ? nullptr : &all[static_cast<std::size_t>(id)]);
        std::vector<Elements> outputs = interpret(graph, node, inputs, symbols, host);
        for (std::size_t i = 0; i < outputs.size(); ++i)
            all[static_cast<std::size_t>(node.outputs[i])] = std::move(outputs[i]);
    }
    return all;
}

}  // namespace vitro
