#include "graph/dump/subject.h"

#include "base/nearest.h"
#include "graph/split_load.h"

#include <algorithm>
#include <array>
#include <set>

namespace vitro {
namespace {

/// "model.layers" of "model.layers.0"; empty of what has no dot.
std::string_view parent(std::string_view path) {
    const std::size_t dot = path.rfind('.');
    return dot == std::string_view::npos ? std::string_view{} : path.substr(0, dot);
}

}  // namespace

std::string_view name(Work work) {
    static constexpr std::array<std::string_view, kWorks> kNames = {"weights",  "cache", "compute",
                                                                    "movement", "view",  "load"};
    return kNames[static_cast<std::size_t>(work)];
}

std::string_view name(ValueKind kind) {
    static constexpr std::string_view kNames[] = {"input", "weight", "state", "constant", "result"};
    return kNames[static_cast<std::size_t>(kind)];
}

SymbolValues Subject::bound_values() const {
    SymbolValues out;
    for (const auto& [symbol, bound] : bounds) out[symbol] = bound;
    return out;
}

std::int64_t bytes_of(const Subject& subject, ValueId id) {
    return bytes_of(subject.graph.value(id).type, subject.bound_values());
}

Cost cost_of(const Subject& subject, const Node& node) {
    const SymbolValues bounds = subject.bound_values();
    const auto tensors = [&](const std::vector<ValueId>& ids) {
        std::vector<Tensor> out;
        for (const TensorType& type : types_of(subject.graph, ids)) out.push_back(tensor_of(type, bounds));
        return out;
    };
    const std::vector<Tensor> inputs = tensors(node.inputs), outputs = tensors(node.outputs);
    return cost_of(*node.op, {inputs, outputs, node.attributes, subject.backend});
}

Works::Works(const Subject& subject)
    : subject_(subject), at_load_(load_nodes(subject.graph)), is_state_(subject.graph.values.size()) {
    const Graph& graph = subject.graph;
    for (std::size_t i = 0; i < graph.values.size(); ++i) is_state_[i] = graph.values[i].kind == ValueKind::state;
    for (const Node& node : graph.nodes)
        for (const auto& [output, input] : node.op->aliases)
            is_state_[static_cast<std::size_t>(node.outputs[output])] =
                is_state_[static_cast<std::size_t>(node.inputs[input])];
}

Work Works::of(NodeId id) const {
    const Graph& graph = subject_.graph;
    const Node& node = graph.node(id);
    const auto any = [&](const auto& is) { return std::ranges::any_of(present(node.inputs), is); };
    const auto is_matrix = [&](ValueId input) {
        const ValueInfo& value = graph.value(input);
        return value.type.rank() > 1 && (value.kind == ValueKind::weight ||
                                         (value.producer >= 0 && at_load_[static_cast<std::size_t>(value.producer)]));
    };
    if (node.op->is_view) return Work::view;
    if (at_load_[static_cast<std::size_t>(id)]) return Work::load;
    if (any(is_matrix)) return Work::weights;
    if (any([&](ValueId input) { return bool(is_state_[static_cast<std::size_t>(input)]); })) return Work::cache;
    return cost_of(subject_, node).flops > 0 ? Work::compute : Work::movement;
}

std::optional<Place> place_of(const Subject& subject, ValueId id) {
    if (subject.program == nullptr) return {};
    const ValueId planned = subject.program->graph.find(subject.graph.value(id).path);
    if (planned < 0) return {};
    return subject.program->plan.place(planned);
}

std::string device_of(const Subject& subject, const Node& node) {
    if (!node.device.empty()) return node.device;
    if (subject.program == nullptr || node.op->is_view) return {};
    const Graph& planned = subject.program->graph;
    const ValueId out = planned.find(subject.graph.value(node.outputs[0]).path);
    const bool is_step = out >= 0 && planned.value(out).kind == ValueKind::result;
    return is_step ? subject.program->plan.devices[0].name : "at load";
}

std::vector<std::string_view> names_of_inputs(const Node& node) {
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
        if (node.inputs[i] != kAbsent) names.push_back(input_def(*node.op, i).name);
    return names;
}

std::string human(std::int64_t number, std::string_view unit) {
    static constexpr std::string_view kPowers[] = {"", "k", "M", "G", "T", "P"};
    auto value = static_cast<double>(number);
    std::size_t power = 0;
    for (; value >= 999.5 && power + 1 < std::size(kPowers); ++power) value /= 1000;
    const int digits = power == 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f} {}{}", value, digits, kPowers[power], unit);
}

std::string region_of(const Subject& subject, const Place& place) {
    const auto& devices = subject.program->plan.devices;
    return devices.size() == 1 ? std::string(name(place.region))
                               : fmt::format("{} {}", devices[place.device].name, name(place.region));
}

std::string text_of(const Subject& subject, const Place& place) {
    return fmt::format("{} {}+{}", region_of(subject, place), place.offset, place.bytes);
}

std::vector<std::pair<std::string, std::size_t>> regions_of(const Subject& subject) {
    std::vector<std::pair<std::string, std::size_t>> out;
    const auto& devices = subject.program->plan.devices;
    for (std::size_t d = 0; d < devices.size(); ++d)
        for (std::size_t r = 0; r < kRegions; ++r)
            out.emplace_back(region_of(subject, {d, static_cast<Region>(r), 0, 0}),
                             devices[d].bytes(static_cast<Region>(r)));
    return out;
}

Modules::Modules(const Graph& graph) {
    for (const Module& module : graph.modules) {
        paths_.insert(module.path);
        for (std::string_view at = parent(module.path); !at.empty(); at = parent(at))
            if (!with_parts_.insert(at).second) break;
    }
}

std::string_view Modules::of(std::string_view path) const {
    while (!path.empty() && !paths_.contains(path)) path = parent(path);
    return path;
}

bool is_below(std::string_view path, std::string_view scope) {
    return path == scope || (path.starts_with(scope) && path[scope.size()] == '.');
}

std::string whole_path(const Graph& graph, std::string_view scope) {
    std::set<std::string> starts;
    const auto add = [&](std::string_view path) {
        for (std::size_t end = path.find('.');; end = path.find('.', end + 1)) {
            starts.emplace(path.substr(0, end));
            if (end == std::string_view::npos) return;
        }
    };
    for (const Module& module : graph.modules) add(module.path);
    for (const Node& node : graph.nodes) add(graph.value(node.outputs[0]).path);
    if (starts.contains(std::string(scope))) return std::string(scope);
    std::vector<std::string> found;
    for (const std::string& start : starts)
        if (start.ends_with(fmt::format(".{}", scope))) found.push_back(start);
    if (found.size() == 1) return found[0];
    if (found.empty()) {
        const std::vector<std::string_view> known(starts.begin(), starts.end());
        fail("--scope: expected a module or a value of the graph, found '{}'{}", scope,
             did_you_mean_path(scope, known));
    }
    fail("--scope: '{}' is one of {} and {}{}", scope, found[0], found[1], found.size() > 2 ? " and others" : "");
}

Graph scoped(const Graph& graph, std::string_view scope) {
    const std::string path = whole_path(graph, scope);
    Graph out;
    out.name = fmt::format("{} {}", graph.name, path);
    out.bounds = graph.bounds;
    for (const Module& module : graph.modules)
        if (is_below(module.path, path)) out.modules.push_back(module);
    std::vector<ValueId> moved(graph.values.size(), -1);
    std::set<ValueId> read_outside(graph.results.begin(), graph.results.end());
    for (const Node& node : graph.nodes) {
        if (!is_below(graph.value(node.outputs[0]).path, path)) {
            for (const ValueId id : present(node.inputs)) read_outside.insert(id);
            continue;
        }
        Node copy = node;
        for (ValueId& id : present(copy.inputs)) {
            ValueId& to = moved[static_cast<std::size_t>(id)];
            if (to < 0) {
                ValueInfo info = graph.value(id);
                if (info.kind == ValueKind::result) {
                    info.kind = ValueKind::input;
                    info.device = device_of(graph, id);
                }
                info.producer = -1;
                to = out.add_value(std::move(info));
            }
            id = to;
        }
        for (ValueId& id : copy.outputs) {
            ValueInfo info = graph.value(id);
            info.producer = static_cast<NodeId>(out.nodes.size());
            id = moved[static_cast<std::size_t>(id)] = out.add_value(std::move(info));
        }
        out.nodes.push_back(std::move(copy));
    }
    const auto is_inside = [&](ValueId id) {
        const ValueId to = moved[static_cast<std::size_t>(id)];
        return to >= 0 && out.value(to).kind == ValueKind::result;
    };
    std::set<ValueId> updated;
    for (const StateUpdate& update : graph.updates) {
        if (!is_inside(update.next) || moved[static_cast<std::size_t>(update.state)] < 0) continue;
        updated.insert(update.next);
        out.updates.push_back(
            {moved[static_cast<std::size_t>(update.state)], moved[static_cast<std::size_t>(update.next)]});
    }
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
        const auto id = static_cast<ValueId>(i);
        if (read_outside.contains(id) && is_inside(id) && !updated.contains(id)) out.results.push_back(moved[i]);
    }
    if (out.nodes.empty()) fail("--scope: nothing is computed in {}", path);
    return out;
}

}  // namespace vitro
