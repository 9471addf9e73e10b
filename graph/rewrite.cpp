#include "graph/rewrite.h"

#include "graph/split_load.h"

#include <algorithm>
#include <numeric>
#include <queue>

namespace vitro {
namespace {

/// The source values a node stands for: its own outputs, unless it is fused already.
void append_realized(const Graph& graph, const Node& node, std::vector<std::string>& out) {
    if (!node.realizes.empty()) {
        out.insert(out.end(), node.realizes.begin(), node.realizes.end());
        return;
    }
    for (const ValueId id : node.outputs) out.push_back(graph.value(id).path);
}

/// Which values the results need, given who produces what.
std::vector<bool> needed_values(const Graph& graph, const std::vector<Node>& nodes,
                                const std::vector<NodeId>& producer) {
    std::vector<bool> needed(graph.values.size());
    std::vector<ValueId> open(graph.results);
    for (const StateUpdate& update : graph.updates) open.push_back(update.next);
    while (!open.empty()) {
        const ValueId id = open.back();
        open.pop_back();
        if (needed[static_cast<std::size_t>(id)]) continue;
        needed[static_cast<std::size_t>(id)] = true;
        const NodeId from = producer[static_cast<std::size_t>(id)];
        if (from < 0) continue;
        const Node& node = nodes[static_cast<std::size_t>(from)];
        for (const ValueId input : present(node.inputs)) open.push_back(input);
        for (const ValueId sibling : node.outputs) open.push_back(sibling);
    }
    return needed;
}

/// Whether there is anything but inputs and states that the results do not need.
bool has_unwanted(const Graph& graph) {
    std::vector<NodeId> producer(graph.values.size());
    for (std::size_t i = 0; i < graph.values.size(); ++i) producer[i] = graph.values[i].producer;
    const std::vector<bool> needed = needed_values(graph, graph.nodes, producer);
    for (std::size_t i = 0; i < graph.values.size(); ++i) {
        const ValueKind kind = graph.values[i].kind;
        if (!needed[i] && kind != ValueKind::input && kind != ValueKind::state) return true;
    }
    return false;
}

/// Node indices in topological order; among those that could come next, the one with the lowest position does.
std::vector<std::size_t> ordered(const std::vector<Node>& nodes, const std::vector<NodeId>& positions,
                                 const std::vector<NodeId>& producer, const std::vector<bool>& wanted) {
    std::vector<int> missing(nodes.size());
    std::vector<std::vector<std::size_t>> dependents(nodes.size());
    using Entry = std::pair<NodeId, std::size_t>;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
    for (std::size_t n = 0; n < nodes.size(); ++n) {
        if (!wanted[n]) continue;
        for (const ValueId id : present(nodes[n].inputs)) {
            const NodeId from = producer[static_cast<std::size_t>(id)];
            if (from < 0) continue;
            ++missing[n];
            dependents[static_cast<std::size_t>(from)].push_back(n);
        }
        if (missing[n] == 0) ready.emplace(positions[n], n);
    }
    std::vector<std::size_t> order;
    while (!ready.empty()) {
        const std::size_t n = ready.top().second;
        ready.pop();
        order.push_back(n);
        for (const std::size_t next : dependents[n])
            if (--missing[next] == 0) ready.emplace(positions[next], next);
    }
    VITRO_CHECK(order.size() == static_cast<std::size_t>(std::count(wanted.begin(), wanted.end(), true)), "a circle");
    return order;
}

}  // namespace

std::string_view name(Fate::Kind kind) {
    static constexpr std::string_view kNames[] = {"merged", "elided", "folded", "unused"};
    return kNames[static_cast<std::size_t>(kind)];
}

std::string Journal::realized_by(const std::string& path) const {
    std::string at = path;
    for (auto fate = fates.find(at); fate != fates.end(); fate = fates.find(at)) {
        if (fate->second.kind == Fate::Kind::unused) return {};
        at = fate->second.into;
    }
    return at;
}

Rewriter::Rewriter(Graph& graph, Journal& journal, std::string_view pass)
    : graph_(graph),
      journal_(journal),
      pass_(pass),
      users_begin_(graph.values.size() + 1),
      final_uses_(graph.values.size()),
      taken_(graph.nodes.size()),
      load_nodes_(load_nodes(graph)) {
    // Counted first: one list in place of one for each value.
    for (const Node& node : graph.nodes)
        for (const ValueId id : present(node.inputs)) ++users_begin_[static_cast<std::size_t>(id)];
    std::exclusive_scan(users_begin_.begin(), users_begin_.end(), users_begin_.begin(), std::size_t{0});
    users_.resize(users_begin_.back());
    std::vector<std::size_t> next = users_begin_;
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        for (const ValueId id : present(graph.nodes[n].inputs))
            users_[next[static_cast<std::size_t>(id)]++] = static_cast<NodeId>(n);
    for (const ValueId id : graph.results) ++final_uses_[static_cast<std::size_t>(id)];
    for (const StateUpdate& update : graph.updates) ++final_uses_[static_cast<std::size_t>(update.next)];
}

int Rewriter::extra_uses(ValueId id) const { return final_uses_[static_cast<std::size_t>(id)]; }

bool Rewriter::is_weight(ValueId id) const {
    const ValueInfo& value = graph_.value(id);
    return value.kind == ValueKind::weight ||
           (value.producer >= 0 && load_nodes_[static_cast<std::size_t>(value.producer)]);
}

NodeId Rewriter::producer(ValueId id, std::string_view op) const {
    const NodeId node = id == kAbsent ? -1 : graph_.value(id).producer;
    return node >= 0 && graph_.node(node).op->name == op ? node : -1;
}

void Rewriter::fired(ValueId at, std::string what) {
    journal_.findings.push_back({pass_, graph_.value(at).path, true, std::move(what)});
}

bool Rewriter::refuse(ValueId at, std::string reason) {
    journal_.findings.push_back({pass_, graph_.value(at).path, false, std::move(reason)});
    return false;
}

bool Rewriter::require_single_use(ValueId at, ValueId id) {
    if (uses(id) == 1) return true;
    return refuse(at, fmt::format("intermediate {} has {} uses", graph_.value(id).path, uses(id)));
}

ValueId Rewriter::constant(std::string path, TensorType type, std::vector<std::byte> data) {
    ValueInfo info{ValueKind::constant, std::move(type), std::move(path)};
    info.data = std::move(data);
    return graph_.add_value(std::move(info));
}

ValueId Rewriter::new_value(std::string path, TensorType type) {
    return graph_.add_value({ValueKind::result, std::move(type), std::move(path)});
}

void Rewriter::replace(std::span<const NodeId> matched, Node node) {
    VITRO_CHECK(!matched.empty() && !node.outputs.empty());
    std::vector<std::string> realizes;
    for (const NodeId id : matched) {
        taken_[static_cast<std::size_t>(id)] = true;
        append_realized(graph_, graph_.node(id), realizes);
        for (const ValueId output : graph_.node(id).outputs) {
            if (std::find(node.outputs.begin(), node.outputs.end(), output) != node.outputs.end()) continue;
            journal_.fates[graph_.value(output).path] = {Fate::Kind::elided, graph_.value(node.outputs[0]).path, pass_};
        }
    }
    if (node.realizes.empty()) node.realizes = std::move(realizes);
    if (node.source.file.empty()) node.source = graph_.node(matched.back()).source;
    if (node.device.empty()) node.device = graph_.node(matched.back()).device;
    added_.push_back({std::move(node), *std::max_element(matched.begin(), matched.end())});
    changed_ = true;
}

void Rewriter::insert(Node node, NodeId before) {
    added_.push_back({std::move(node), before});
    changed_ = true;
}

void Rewriter::replace_uses(ValueId from, ValueId to, Fate::Kind kind) {
    replaced_[from] = to;
    journal_.fates[graph_.value(from).path] = {kind, graph_.value(to).path, pass_};
    changed_ = true;
}

bool Rewriter::finish() {
    if (!changed_ && !has_unwanted(graph_)) return false;
    std::vector<Node> nodes;
    std::vector<NodeId> positions;
    // Added nodes go first among equals: they define what their position's node, if it stays, may use.
    for (Placed& placed : added_) {
        nodes.push_back(std::move(placed.node));
        positions.push_back(placed.position);
    }
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
        if (taken_[n]) continue;
        nodes.push_back(std::move(graph_.nodes[n]));
        positions.push_back(static_cast<NodeId>(n));
    }
    const auto follow = [&](ValueId& id) {
        for (auto at = replaced_.find(id); at != replaced_.end(); at = replaced_.find(id)) id = at->second;
    };
    for (Node& node : nodes)
        for (ValueId& id : present(node.inputs)) follow(id);
    for (ValueId& id : graph_.results) follow(id);
    for (StateUpdate& update : graph_.updates) follow(update.next);

    std::vector<NodeId> producer(graph_.values.size(), -1);
    for (std::size_t n = 0; n < nodes.size(); ++n)
        for (const ValueId id : nodes[n].outputs) producer[static_cast<std::size_t>(id)] = static_cast<NodeId>(n);
    const std::vector<bool> needed = needed_values(graph_, nodes, producer);
    std::vector<bool> wanted(nodes.size());
    for (std::size_t n = 0; n < nodes.size(); ++n) wanted[n] = needed[static_cast<std::size_t>(nodes[n].outputs[0])];

    Graph out;
    out.name = std::move(graph_.name);
    out.bounds = std::move(graph_.bounds);
    out.modules = std::move(graph_.modules);
    std::vector<ValueId> moved(graph_.values.size(), -1);
    const auto move = [&](std::size_t i) { moved[i] = out.add_value(std::move(graph_.values[i])); };
    for (std::size_t i = 0; i < graph_.values.size(); ++i) {
        const ValueKind kind = graph_.values[i].kind;
        if (kind == ValueKind::input || kind == ValueKind::state || (kind != ValueKind::result && needed[i])) move(i);
    }
    for (const std::size_t n : ordered(nodes, positions, producer, wanted)) {
        Node& node = nodes[n];
        for (ValueId& id : present(node.inputs)) id = moved[static_cast<std::size_t>(id)];
        for (ValueId& id : node.outputs) {
            move(static_cast<std::size_t>(id));
            id = moved[static_cast<std::size_t>(id)];
            out.value(id).producer = static_cast<NodeId>(out.nodes.size());
        }
        out.nodes.push_back(std::move(node));
    }
    for (std::size_t n = 0; n < nodes.size(); ++n) {
        if (wanted[n]) continue;
        changed_ = true;
        for (const ValueId id : nodes[n].outputs)
            journal_.fates.emplace(graph_.value(id).path, Fate{Fate::Kind::unused, {}, pass_});
    }
    for (const ValueId id : graph_.results) out.results.push_back(moved[static_cast<std::size_t>(id)]);
    for (const StateUpdate& update : graph_.updates)
        out.updates.push_back(
            {moved[static_cast<std::size_t>(update.state)], moved[static_cast<std::size_t>(update.next)]});
    graph_ = std::move(out);
    return changed_;
}

}  // namespace vitro
