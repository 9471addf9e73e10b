#include "base/json_text.h"
#include "graph/dump/dot.h"
#include "graph/dump/json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <unordered_set>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

Json pair(std::string_view key, const std::string& value) { return {{"key", key}, {"value", value}}; }

/// "model/layers/0/mlp" of a module's path.
std::string namespace_of(std::string_view module) {
    std::string out(module);
    std::replace(out.begin(), out.end(), '.', '/');
    return out;
}

/// An object whose keys are known to differ: Json itself would compare each new one with all that are there.
class Members {
public:
    void add(std::string key, Json value) {
        std::vector<std::pair<const std::string, Json>>& members = members_;
        members.emplace_back(std::move(key), std::move(value));
    }
    operator Json() && { return Json(std::move(members_)); }

private:
    Json::object_t members_;
};

Json metadata(const Subject& subject, const std::vector<ValueId>& ids) {
    Json out = Json::array();
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const ValueInfo& value = subject.graph.value(ids[i]);
        out.push_back(
            {{"id", std::to_string(i)},
             {"attrs", Json::array({pair("tensor_name", value.path), pair("tensor_shape", to_string(value.type)),
                                    pair("bytes", std::to_string(bytes_of(subject, ids[i])))})}});
    }
    return out;
}

/// A value is called by the path of the first output of the node that computes it, or its own.
const std::string& node_id(const Graph& graph, ValueId id) {
    const NodeId producer = graph.value(id).producer;
    return graph.value(producer < 0 ? id : graph.node(producer).outputs[0]).path;
}

Json leaf_json(const Subject& subject, const Modules& modules, ValueId id) {
    const ValueInfo& value = subject.graph.value(id);
    Json attributes = Json::array({pair("kind", std::string(name(value.kind)))});
    if (const auto place = place_of(subject, id)) attributes.push_back(pair("place", text_of(subject, *place)));
    if (value.kind == ValueKind::weight)
        attributes.push_back(pair(value.prepared ? "made at load" : "checkpoint tensor", value.source));
    return {{"id", value.path},
            {"label", value.kind == ValueKind::input ? std::string_view(value.path) : name(value.kind)},
            {"namespace", namespace_of(modules.of(value.path))},
            {"attrs", std::move(attributes)},
            {"outputsMetadata", metadata(subject, {id})},
            {"style", {{"backgroundColor", colour_of(value.kind)}}}};
}

Json node_json(const Subject& subject, const Modules& modules, const Node& node, Work work) {
    const Graph& graph = subject.graph;
    const Cost cost = cost_of(subject, node);
    Json attributes = Json::array({pair("doc", std::string(node.op->doc))});
    for (const auto& [field, value] : node.attributes.texts()) attributes.push_back(pair(field, value));
    attributes.push_back(pair("bytes moved", std::to_string(node.op->is_view ? 0 : cost.bytes)));
    attributes.push_back(pair("flops", std::to_string(cost.flops)));
    for (const std::string& path : node.realizes) attributes.push_back(pair("stands for", path));
    if (!node.source.file.empty())
        attributes.push_back(pair("source", fmt::format("{}:{}", node.source.file, node.source.line)));
    if (const std::string device = device_of(subject, node); !device.empty())
        attributes.push_back(pair("device", device));
    if (const auto place = place_of(subject, node.outputs[0]))
        attributes.push_back(pair("place", text_of(subject, *place)));
    Json edges = Json::array();
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        if (node.inputs[i] == kAbsent) continue;
        std::size_t output = 0;
        if (const NodeId producer = graph.value(node.inputs[i]).producer; producer >= 0) {
            const auto& outputs = graph.node(producer).outputs;
            output =
                static_cast<std::size_t>(std::find(outputs.begin(), outputs.end(), node.inputs[i]) - outputs.begin());
        }
        edges.push_back({{"sourceNodeId", node_id(graph, node.inputs[i])},
                         {"sourceNodeOutputId", std::to_string(output)},
                         {"targetNodeInputId", std::to_string(i)}});
    }
    Json inputs = Json::array();
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        if (node.inputs[i] == kAbsent) continue;
        inputs.push_back({{"id", std::to_string(i)},
                          {"attrs", Json::array({pair("__tensor_tag", std::string(input_def(*node.op, i).name))})}});
    }
    return {{"id", node_id(graph, node.outputs[0])},
            {"label", node.op->name},
            {"namespace", namespace_of(modules.of(graph.value(node.outputs[0]).path))},
            {"attrs", std::move(attributes)},
            {"incomingEdges", std::move(edges)},
            {"inputsMetadata", std::move(inputs)},
            {"outputsMetadata", metadata(subject, node.outputs)},
            {"style", {{"backgroundColor", colour_of(work)}}}};
}

std::string graph_id(const Subject& subject) {
    return fmt::format("{} {} {}", subject.graph.name, subject.phase, subject.stage);
}

}  // namespace

std::string model_explorer_json(const Subject& subject) {
    const Graph& graph = subject.graph;
    const Modules modules(graph);
    Json nodes = Json::array();
    for (std::size_t i = 0; i < graph.values.size(); ++i)
        if (graph.values[i].kind != ValueKind::result)
            nodes.push_back(leaf_json(subject, modules, static_cast<ValueId>(i)));
    const Works works(subject);
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        nodes.push_back(node_json(subject, modules, graph.nodes[n], works.of(static_cast<NodeId>(n))));
    Members groups;
    std::unordered_set<std::string_view> known;
    for (const Module& module : graph.modules) {
        if (!known.insert(module.path).second) continue;
        Json group{{"type", module.type}};
        if (!module.detail.empty()) group["detail"] = module.detail;
        groups.add(namespace_of(module.path), std::move(group));
    }
    const Json out{{"label", "vitro"},
                   {"graphs", Json::array({{{"id", graph_id(subject)},
                                            {"nodes", std::move(nodes)},
                                            {"groupNodeAttributes", Json(std::move(groups))}}})}};
    return json_text(out, 1) + "\n";
}

std::string model_explorer_cost_json(const Subject& subject) {
    Members results;
    for (const Node& node : subject.graph.nodes)
        if (!node.op->is_view)
            results.add(node_id(subject.graph, node.outputs[0]), {{"value", cost_of(subject, node).bytes}});
    const Json out{
        {graph_id(subject),
         {{"name", "bytes moved"},
          {"results", Json(std::move(results))},
          {"gradient", Json::array({{{"stop", 0}, {"bgColor", "#ffffff"}}, {{"stop", 1}, {"bgColor", "#ff7043"}}})}}}};
    return json_text(out, 1) + "\n";
}

}  // namespace vitro
