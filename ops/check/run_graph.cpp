#include "ops/check/run_graph.h"

#include "backends/cpu/cpu_backend.h"
#include "graph/program.h"

#include <cstring>

namespace vitro::check {

std::vector<std::vector<std::byte>> run_graph(const Graph& graph, const std::vector<Tensor>& inputs,
                                              const SymbolValues& symbols) {
    std::vector<std::vector<std::byte>> memory(graph.values.size());
    std::size_t next_input = 0;
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
        const ValueInfo& value = graph.values[i];
        memory[i].resize(static_cast<std::size_t>(bytes_of(value.type, symbols)));
        if (value.kind == ValueKind::constant) memory[i] = value.data;
        if (value.kind == ValueKind::input || value.kind == ValueKind::weight)
            std::memcpy(memory[i].data(), inputs.at(next_input++).data, memory[i].size());
    }
    const auto tensors = [&](const std::vector<ValueId>& ids) {
        std::vector<Tensor> out;
        for (const ValueId id : ids) {
            out.push_back(tensor_of(graph.value(id).type, symbols));
            out.back().data = memory[static_cast<std::size_t>(id)].data();
        }
        return out;
    };
    CpuBackend backend(1);
    for (const Node& node : graph.nodes) {
        std::vector<Tensor> in = tensors(node.inputs);
        const std::vector<Tensor> out = tensors(node.outputs);
        for (const auto& [output, input] : node.op->aliases) {
            std::memcpy(out[output].data, in[input].data, static_cast<std::size_t>(out[output].bytes()));
            in[input].data = out[output].data;
        }
        if (!node.op->is_view) node.op->reference({in, out, node.attributes, backend});
    }
    std::vector<std::vector<std::byte>> results;
    for (const ValueId id : graph.results) results.push_back(memory[static_cast<std::size_t>(id)]);
    return results;
}

}  // namespace vitro::check
