#include "graph/executor.h"

namespace vitro {

Executor::Executor(const Program& program, std::vector<Memory> memory, std::span<const void* const> weights)
    : program_(program), memory_(std::move(memory)), weight_of_value_(program.graph.values.size()) {
    const Graph& graph = program.graph;
    VITRO_CHECK(memory_.size() == program.plan.devices.size());
    const std::vector<ValueId> weight_ids = graph.values_of(ValueKind::weight);
    VITRO_CHECK(weight_ids.size() == weights.size());
    for (std::size_t i = 0; i < weights.size(); ++i)
        weight_of_value_[static_cast<std::size_t>(weight_ids[i])] = const_cast<void*>(weights[i]);
    for (const Node& node : graph.nodes)
        if (node.op->is_view)
            weight_of_value_[static_cast<std::size_t>(node.outputs[0])] =
                weight_of_value_[static_cast<std::size_t>(node.inputs[0])];

    for (const ValueId id : graph.values_of(ValueKind::constant))
        backend_of(id).upload(address(id), graph.value(id).data.data(), graph.value(id).data.size());

    symbols_ = graph.bound_values();
    const auto bind = [&](ValueId id) {
        Tensor tensor = tensor_of(graph.value(id).type, symbols_);
        tensor.data = address(id);
        for (std::size_t axis = 0; axis < graph.value(id).type.shape.size(); ++axis) {
            const Dim dim = graph.value(id).type.shape[axis];
            if (dim.is_symbol()) symbol_sizes_.push_back({tensors_.size(), axis, dim.symbol});
        }
        tensors_.push_back(tensor);
    };
    for (const Step& step : program.steps) {
        const Node& node = graph.node(step.node);
        const Place& scratch = program.plan.scratch[static_cast<std::size_t>(step.node)];
        steps_.push_back({tensors_.size(),
                          node.inputs.size(),
                          node.outputs.size(),
                          {memory_[step.device].arena + scratch.offset, scratch.bytes}});
        for (const ValueId id : node.inputs) bind(id);
        for (const ValueId id : node.outputs) bind(id);
    }
}

void* Executor::address(ValueId id) const {
    const Place& place = program_.plan.place(id);
    const Memory& memory = memory_[place.device];
    switch (place.region) {
        case Region::weights:
            return weight_of_value_[static_cast<std::size_t>(id)];
        case Region::states:
            return memory.states + place.offset;
        case Region::io:
            return memory.io + place.offset;
        case Region::arena:
            break;
    }
    return memory.arena + place.offset;
}

void Executor::set_symbol_sizes(const SymbolValues& symbols) {
    if (symbols == symbols_) return;
    for (const auto& [symbol, bound] : program_.graph.bounds)
        VITRO_CHECK(symbols[symbol] >= 0 && symbols[symbol] <= bound, "{} = {}, bound {}", symbol, symbols[symbol],
                    bound);
    for (const SymbolSize& size : symbol_sizes_) tensors_[size.tensor].sizes[size.axis] = symbols[size.symbol];
    symbols_ = symbols;
}

void Executor::run(const SymbolValues& symbols) {
    set_symbol_sizes(symbols);
    for (std::size_t i = 0; i < steps_.size(); ++i) {
        const BoundStep& bound = steps_[i];
        const Step& step = program_.steps[i];
        const std::span tensors(tensors_.data() + bound.first_tensor, bound.n_inputs + bound.n_outputs);
        const Call call{tensors.first(bound.n_inputs), tensors.subspan(bound.n_inputs),
                        program_.graph.node(step.node).attributes, memory_[step.device].backend, bound.scratch};
        if (step.run != nullptr)
            step.run(call);
        else
            copy(program_.graph.node(step.node).inputs[0], program_.graph.node(step.node).outputs[0], call);
        if (observer_) observer_(program_, step, call);
    }
}

void Executor::copy(ValueId from, ValueId to, const Call& call) const {
    const auto bytes = static_cast<std::size_t>(call.out().bytes());
    if (backend_of(from).is_host())
        backend_of(to).upload(call.out().data, call.in(0).data, bytes);
    else
        backend_of(from).download(call.out().data, call.in(0).data, bytes);
}

void Executor::write(ValueId id, const void* data, const SymbolValues& symbols) {
    const Tensor to = tensor(id, symbols);
    backend_of(id).upload(to.data, data, static_cast<std::size_t>(to.bytes()));
}

void Executor::read(ValueId id, void* data, const SymbolValues& symbols) const {
    const Tensor from = tensor(id, symbols);
    backend_of(id).download(data, from.data, static_cast<std::size_t>(from.bytes()));
}

Tensor Executor::tensor(ValueId id, const SymbolValues& symbols) const {
    Tensor tensor = tensor_of(program_.graph.value(id).type, symbols);
    tensor.data = address(id);
    return tensor;
}

Tensor Executor::tensor(std::string_view path, const SymbolValues& symbols) const {
    const ValueId id = program_.graph.find(path);
    VITRO_CHECK(id >= 0, "no value {}", path);
    return tensor(id, symbols);
}

}  // namespace vitro
