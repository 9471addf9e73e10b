#include "graph/builder.h"

#include "graph/verify.h"

#include <cstring>
#include <unordered_set>

namespace vitro {
namespace {

template <class T>
ValueInfo constant_info(std::span<const T> values, DType dtype, std::string path) {
    ValueInfo info{ValueKind::constant, {dtype, {static_cast<std::int64_t>(values.size())}}, std::move(path)};
    info.data.resize(values.size_bytes());
    std::memcpy(info.data.data(), values.data(), values.size_bytes());
    return info;
}

}  // namespace

Builder::Builder(std::string name) { graph_.name = std::move(name); }

void Builder::symbol(char name, std::int64_t bound) {
    if (bound < 1) fail("symbol {}: expected a bound of at least 1, found {}", name, bound);
    graph_.bounds[name] = bound;
}

Value Builder::add(ValueInfo info) { return {graph_.add_value(std::move(info))}; }

Value Builder::input(std::string path, TensorType type) {
    return add({ValueKind::input, std::move(type), std::move(path)});
}

Value Builder::weight(std::string_view name, TensorType type) {
    ValueInfo info{ValueKind::weight, std::move(type), path(name)};
    info.source = info.path;
    return add(std::move(info));
}

Value Builder::state(std::string_view name, TensorType type) {
    return add({ValueKind::state, std::move(type), path(name)});
}

Value Builder::constant(std::span<const float> values) {
    return add(constant_info(values, DType::f32, path("constant")));
}

Value Builder::constant(std::span<const std::int32_t> values) {
    return add(constant_info(values, DType::i32, path("constant")));
}

std::vector<Value> Builder::apply(const OpDef& op, std::span<const Value> inputs, Attributes attributes,
                                  std::string_view name, SourceLine source) {
    Node node{&op, std::move(attributes), {}, {}, std::move(source), {}};
    for (const Value value : with_absent(op, inputs, Value{})) node.inputs.push_back(value.id);
    const std::string full = path(name.empty() ? op.name : name);
    const auto id = static_cast<NodeId>(graph_.nodes.size());
    std::vector<TensorType> types = infer_types(graph_, node, full);
    std::vector<Value> outputs;
    for (std::size_t i = 0; i < types.size(); ++i) {
        ValueInfo info{ValueKind::result, std::move(types[i]),
                       types.size() == 1 ? full : fmt::format("{}.{}", full, i)};
        info.producer = id;
        outputs.push_back(add(std::move(info)));
        node.outputs.push_back(outputs.back().id);
    }
    graph_.nodes.push_back(std::move(node));
    return outputs;
}

Builder::Scope Builder::scope(std::string_view name, std::string_view type, std::string_view detail) {
    const std::size_t outer = scope_.size();
    scope_ = path(name);
    if (!type.empty()) graph_.modules.push_back({scope_, std::string(type), std::string(detail)});
    return {*this, outer};
}

std::string Builder::path(std::string_view name) const {
    return scope_.empty() ? std::string(name) : fmt::format("{}.{}", scope_, name);
}

void Builder::result(Value value) { graph_.results.push_back(value.id); }

void Builder::update(Value state, Value next) { graph_.updates.push_back({state.id, next.id}); }

Graph Builder::finish() {
    // A scope that was opened again is the same module.
    std::unordered_set<std::string> seen;
    std::erase_if(graph_.modules, [&](const Module& module) { return !seen.insert(module.path).second; });
    verify(graph_);
    return std::move(graph_);
}

std::string_view At::file_in_project(std::string_view file) {
    static constexpr std::string_view kHere = "graph/builder.h";
    static const std::string_view self = std::source_location::current().file_name();  // …/graph/builder.cpp
    const std::size_t root = self.size() - (kHere.size() + 2);
    return file.size() > root && file.substr(0, root) == self.substr(0, root) ? file.substr(root) : file;
}

}  // namespace vitro
