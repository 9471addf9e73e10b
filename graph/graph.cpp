#include "graph/graph.h"

namespace vitro {

void Graph::take_path(std::string& path, ValueId id) {
    if (find(path) >= 0) {
        const std::string wanted = std::move(path);
        int n = 1;
        do path = fmt::format("{}.{}", wanted, n++);
        while (find(path) >= 0);
    }
    by_path_.add(PathIndex::hash(path), id);
}

ValueId Graph::add_value(ValueInfo info) {
    const auto id = static_cast<ValueId>(values.size());
    take_path(info.path, id);
    values.push_back(std::move(info));
    return id;
}

void Graph::rename(ValueId id, std::string path) {
    std::string& own = value(id).path;
    if (own == path) return;
    by_path_.remove(PathIndex::hash(own), id);
    const ValueId other = find(path);
    if (other >= 0) by_path_.remove(PathIndex::hash(path), other);
    by_path_.add(PathIndex::hash(path), id);
    own = std::move(path);
    if (other >= 0) take_path(value(other).path, other);
}

ValueId Graph::find(std::string_view path) const {
    return by_path_.find(PathIndex::hash(path),
                         [&](ValueId id) { return values[static_cast<std::size_t>(id)].path == path; });
}

std::vector<ValueId> Graph::keep(std::span<const ValueId> kept) {
    std::vector<ValueId> moved(values.size(), -1);
    std::vector<ValueInfo> all;
    all.reserve(kept.size());
    for (const ValueId id : kept) {
        moved[checked(id)] = static_cast<ValueId>(all.size());
        all.push_back(std::move(value(id)));
    }
    values = std::move(all);
    by_path_.renumber(moved);
    return moved;
}

std::vector<ValueId> Graph::values_of(ValueKind kind) const {
    std::vector<ValueId> out;
    for (std::size_t i = 0; i < values.size(); ++i)
        if (values[i].kind == kind) out.push_back(static_cast<ValueId>(i));
    return out;
}

SymbolValues Graph::bound_values() const {
    SymbolValues out;
    for (const auto& [symbol, bound] : bounds) out[symbol] = bound;
    return out;
}

std::vector<int> Graph::use_counts() const {
    std::vector<int> uses(values.size());
    auto use = [&](ValueId id) { ++uses[static_cast<std::size_t>(id)]; };
    for (const Node& node : nodes)
        for (const ValueId id : present(node.inputs)) use(id);
    for (const ValueId id : results) use(id);
    for (const StateUpdate& update : updates) use(update.next);
    return uses;
}

const std::string& device_of(const Graph& graph, ValueId id) {
    const ValueInfo& value = graph.value(id);
    return value.producer < 0 ? value.device : graph.node(value.producer).device;
}

std::vector<TensorType> types_of(const Graph& graph, const std::vector<ValueId>& ids) {
    std::vector<TensorType> types;
    types.reserve(ids.size());
    for (const ValueId id : ids) types.push_back(id == kAbsent ? TensorType::none() : graph.value(id).type);
    return types;
}

std::string describe(const Graph& graph, const Node& node) {
    std::string text = fmt::format("{} at {}", node.op->name,
                                   node.outputs.empty() ? "(no output)" : graph.value(node.outputs[0]).path);
    if (!node.source.file.empty()) text += fmt::format(" ({}:{})", node.source.file, node.source.line);
    return text;
}

bool keeps_type(std::span<const TensorType> inputs, std::span<const TensorType> outputs, const Attributes&) {
    return inputs[0] == outputs[0];
}

int input_index(const OpDef& op, std::string_view name) {
    for (std::size_t i = 0; i < op.inputs.size(); ++i)
        if (op.inputs[i].name == name) return static_cast<int>(i);
    return -1;
}

std::vector<std::string_view> input_names(const OpDef& op) {
    std::vector<std::string_view> names;
    for (const InputDef& input : op.inputs) names.push_back(input.name);
    return names;
}

std::size_t required_inputs(const OpDef& op) {
    const auto optional =
        std::find_if(op.inputs.begin(), op.inputs.end(), [](const InputDef& input) { return input.is_optional; });
    return static_cast<std::size_t>(optional - op.inputs.begin());
}

Cost cost_of(const OpDef& op, const Call& call) {
    if (op.cost) return op.cost(call);
    Cost cost;
    for (const Tensor& tensor : call.inputs) cost.bytes += tensor.bytes();
    for (const Tensor& tensor : call.outputs) cost.bytes += tensor.bytes();
    return cost;
}

}  // namespace vitro
