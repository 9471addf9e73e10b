#include "graph/dump/json.h"

#include "base/json_text.h"
#include "graph/dump/repeat.h"

#include <nlohmann/json.hpp>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

Json shape_json(const Shape& shape) {
    Json out = Json::array();
    for (const Dim dim : shape) {
        if (dim.is_symbol())
            out.push_back(std::string(1, dim.symbol));
        else
            out.push_back(dim.size);
    }
    return out;
}

/// A number, a list, a string or a bool where the text is one in JSON, too; else the text (a shape, a dtype).
Json attribute_json(const std::string& text) {
    Json value = Json::parse(text, nullptr, false);
    return value.is_discarded() ? Json(text) : value;
}

Json paths_json(const Graph& graph, const std::vector<ValueId>& ids) {
    Json out = Json::array();
    for (const ValueId id : present(ids)) out.push_back(graph.value(id).path);
    return out;
}

Json place_json(const Plan& plan, const Place& place) {
    return {{"device", plan.devices[place.device].name},
            {"region", name(place.region)},
            {"offset", place.offset},
            {"bytes", place.bytes}};
}

Json value_json(const Subject& subject, ValueId id) {
    const ValueInfo& value = subject.graph.value(id);
    Json out{{"path", value.path},
             {"kind", name(value.kind)},
             {"dtype", name(value.type.dtype)},
             {"shape", shape_json(value.type.shape)},
             {"bytes", bytes_of(subject, id)}};
    if (value.kind == ValueKind::weight) out["source"] = value.source;
    if (value.prepared) out["prepared"] = true;
    if (const auto place = place_of(subject, id)) out["place"] = place_json(subject.program->plan, *place);
    return out;
}

Json node_json(const Subject& subject, const Modules& modules, const Node& node, Work work) {
    const Graph& graph = subject.graph;
    Json attributes = Json::object();
    for (const auto& [field, text] : node.attributes.texts()) attributes[field] = attribute_json(text);
    const Cost cost = cost_of(subject, node);
    Json out{{"op", node.op->name},
             {"inputs", paths_json(graph, node.inputs)},
             {"input_names", names_of_inputs(node)},
             {"outputs", paths_json(graph, node.outputs)},
             {"attributes", std::move(attributes)},
             {"module", modules.of(graph.value(node.outputs[0]).path)},
             {"work", name(work)},
             {"bytes", node.op->is_view ? 0 : cost.bytes},
             {"flops", cost.flops}};
    if (!node.realizes.empty()) out["realizes"] = node.realizes;
    if (!node.source.file.empty()) out["source"] = {{"file", node.source.file}, {"line", node.source.line}};
    const std::string device = device_of(subject, node);
    if (!device.empty()) out["device"] = device;
    return out;
}

Json changes_json(const std::vector<GraphDiff::Change>& changes) {
    Json out = Json::array();
    for (const GraphDiff::Change& change : changes) {
        Json each{{"path", change.path}};
        if (!change.before.empty()) each["before"] = change.before;
        if (!change.after.empty()) each["after"] = change.after;
        if (!change.fate.empty()) each["fate"] = change.fate;
        out.push_back(std::move(each));
    }
    return out;
}

}  // namespace

std::string json_of(const Subject& subject) {
    const Graph& graph = subject.graph;
    Json out{{"format", "vitro graph"},
             {"version", 1},
             {"name", graph.name},
             {"phase", subject.phase},
             {"stage", subject.stage}};
    out["symbols"] = Json::object();
    for (const auto& [symbol, bound] : subject.bounds) out["symbols"][std::string(1, symbol)] = bound;
    Json& ops = out["ops"] = Json::object();
    for (const Node& node : graph.nodes)
        ops[std::string(node.op->name)] = {{"doc", node.op->doc},
                                           {"inputs", input_names(*node.op)},
                                           {"fused", node.op->decompose != nullptr},
                                           {"view", node.op->is_view}};
    Json& modules = out["modules"] = Json::array();
    for (const Module& module : graph.modules)
        modules.push_back({{"path", module.path}, {"type", module.type}, {"detail", module.detail}});
    Json& values = out["values"] = Json::array();
    for (std::size_t i = 0; i < graph.values.size(); ++i)
        values.push_back(value_json(subject, static_cast<ValueId>(i)));
    Json& nodes = out["nodes"] = Json::array();
    const Works works(subject);
    const Modules by_path(graph);
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        nodes.push_back(node_json(subject, by_path, graph.nodes[n], works.of(static_cast<NodeId>(n))));
    out["results"] = paths_json(graph, graph.results);
    Json& updates = out["updates"] = Json::array();
    for (const StateUpdate& update : graph.updates)
        updates.push_back({{"state", graph.value(update.state).path}, {"next", graph.value(update.next).path}});
    Json& repeats = out["repeats"] = Json::array();
    for (const AlikeLayers& repeat : find_repeats(graph))
        repeats.push_back(
            {{"layers", repeat.layers}, {"first", repeat.first}, {"last", repeat.last}, {"carried", repeat.carried}});
    if (subject.journal != nullptr) {
        Json& fates = out["fates"] = Json::array();
        for (const auto& [path, fate] : subject.journal->fates)
            fates.push_back({{"path", path}, {"kind", name(fate.kind)}, {"into", fate.into}, {"pass", fate.pass}});
    }
    if (subject.program != nullptr) {
        for (const DevicePlan& device : subject.program->plan.devices) {
            Json& regions = out["devices"][device.name] = Json::object();
            for (std::size_t r = 0; r < kRegions; ++r)
                regions[std::string(name(static_cast<Region>(r)))] = device.bytes(static_cast<Region>(r));
        }
    }
    return json_text(out, 1) + "\n";
}

std::string json_of(const GraphDiff& diff) {
    const Json out{{"format", "vitro graph diff"},
                   {"version", 1},
                   {"from", diff.from},
                   {"to", diff.to},
                   {"appeared", changes_json(diff.appeared)},
                   {"vanished", changes_json(diff.vanished)},
                   {"changed", changes_json(diff.changed)},
                   {"same", diff.same}};
    return json_text(out, 1) + "\n";
}

}  // namespace vitro
