#include "graph/text.h"

#include <cstring>

namespace vitro {
namespace {

template <class T>
std::string elements_text(const std::vector<std::byte>& data) {
    std::string text = "{";
    for (std::size_t i = 0; i < data.size(); i += sizeof(T)) {
        T value;
        std::memcpy(&value, data.data() + i, sizeof(T));
        text += fmt::format("{}{}", i == 0 ? "" : ", ", value);
    }
    return text + "}";
}

template <class Range, class Text>
std::string joined(const Range& range, Text&& text_of) {
    std::string text;
    for (const auto& element : range) {
        if (!text.empty()) text += ", ";
        text += text_of(element);
    }
    return text;
}

std::string line(const ValueInfo& value) {
    static constexpr const char* kKinds[] = {"input", "weight", "state", "constant"};
    std::string text =
        fmt::format("%{} = {} {}", value.path, kKinds[static_cast<int>(value.kind)], to_string(value.type));
    if (!value.device.empty()) text += " @" + value.device;
    if (value.kind == ValueKind::weight && value.source != value.path) text += " from " + value.source;
    if (value.prepared) text += " prepared";
    if (value.kind == ValueKind::constant) text += " " + constant_text(value);
    return text;
}

}  // namespace

std::string constant_text(const ValueInfo& value) {
    return value.type.dtype == DType::i32 ? elements_text<std::int32_t>(value.data) : elements_text<float>(value.data);
}

std::string inputs_text(const Node& node, const std::function<std::string(ValueId id)>& use) {
    std::string text;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        if (node.inputs[i] == kAbsent) continue;
        const InputDef& input = input_def(*node.op, i);
        text += text.empty() ? "" : ", ";
        if (input.is_optional) text += fmt::format("{} = ", input.name);
        text += use(node.inputs[i]);
    }
    return text;
}

std::string print(const Graph& graph, const Node& node) {
    const auto use = [&](ValueId id) { return "%" + graph.value(id).path; };
    std::string text = fmt::format("{} = {}({})", joined(node.outputs, use), node.op->name, inputs_text(node, use));
    const auto attributes = node.attributes.texts();
    if (!attributes.empty())
        text += " {" + joined(attributes, [](const auto& field) { return field.first + " = " + field.second; }) + "}";
    text += " : " + joined(node.outputs, [&](ValueId id) { return to_string(graph.value(id).type); });
    if (!node.device.empty()) text += " @" + node.device;
    if (!node.source.file.empty()) text += fmt::format(" @{}:{}", node.source.file, node.source.line);
    if (!node.realizes.empty()) text += " <= " + joined(node.realizes, [](const std::string& s) { return s; });
    return text;
}

std::string print(const Graph& graph) {
    std::string text = fmt::format("graph {}\n", attribute_text(graph.name));
    for (const auto& [symbol, bound] : graph.bounds) text += fmt::format("symbol {} <= {}\n", symbol, bound);
    for (const Module& module : graph.modules)
        text += fmt::format("module {} {} {}\n", attribute_text(module.path), attribute_text(module.type),
                            attribute_text(module.detail));
    for (const ValueInfo& value : graph.values)
        if (value.kind != ValueKind::result) text += line(value) + "\n";
    for (const Node& node : graph.nodes) text += print(graph, node) + "\n";
    for (const ValueId id : graph.results) text += fmt::format("return %{}\n", graph.value(id).path);
    for (const StateUpdate& update : graph.updates)
        text += fmt::format("update %{} = %{}\n", graph.value(update.state).path, graph.value(update.next).path);
    return text;
}

}  // namespace vitro
