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

/// Which values the results need, by ValueId. The nodes are in order.
std::vector<bool> needed_values(const Graph& graph, const std::vector<Node>& nodes) {
    std::vector<bool> needed(graph.values.size());
    const auto need = [&](ValueId id) { needed[static_cast<std::size_t>(id)] = true; };
    for (const ValueId id : graph.results) need(id);
    for (const StateUpdate& update : graph.updates) need(update.next);
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
        if (std::none_of(node->outputs.begin(), node->outputs.end(),
                         [&](ValueId id) { return bool(needed[static_cast<std::size_t>(id)]); }))
            continue;
        for (const ValueId id : node->outputs) need(id);
        for (const ValueId id : present(node->inputs)) need(id);
    }
    return needed;
}

/// Whether a value may be missing in the results' making without being unwanted: those who call give or keep it.
bool stays(const ValueInfo& value) { return value.kind == ValueKind::input || value.kind == ValueKind::state; }

/// Whether there is anything but inputs and states that the results do not need.
bool has_unwanted(const Graph& graph) {
    const std::vector<bool> needed = needed_values(graph, graph.nodes);
    for (std::size_t i = 0; i < graph.values.size(); ++i)
        if (!needed[i] && !stays(graph.values[i])) return true;
    return false;
}

/// By ValueId: the index of the node that computes it, or -1.
std::vector<NodeId> producers(const std::vector<Node>& nodes, std::size_t values) {
    std::vector<NodeId> out(values, -1);
    for (std::size_t n = 0; n < nodes.size(); ++n)
        for (const ValueId id : nodes[n].outputs) out[static_cast<std::size_t>(id)] = static_cast<NodeId>(n);
    return out;
}

/// Puts nodes behind those whose outputs they read; among those that could come next, the first does.
void put_in_order(std::vector<Node>& nodes, std::size_t values) {
    const std::vector<NodeId> producer = producers(nodes, values);
    std::vector<int> missing(nodes.size());
    std::vector<std::vector<std::size_t>> dependents(nodes.size());
    bool is_ordered = true;
    for (std::size_t n = 0; n < nodes.size(); ++n)
        for (const ValueId id : present(nodes[n].inputs))
            is_ordered = is_ordered && producer[static_cast<std::size_t>(id)] < static_cast<NodeId>(n);
    if (is_ordered) return;
    std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> ready;
    for (std::size_t n = 0; n < nodes.size(); ++n) {
        for (const ValueId id : present(nodes[n].inputs)) {
            const NodeId from = producer[static_cast<std::size_t>(id)];
            if (from < 0) continue;
            ++missing[n];
            dependents[static_cast<std::size_t>(from)].push_back(n);
        }
        if (missing[n] == 0) ready.push(n);
    }
    std::vector<Node> ordered;
    ordered.reserve(nodes.size());
    while (!ready.empty()) {
        const std::size_t n = ready.top();
        ready.pop();
        ordered.push_back(std::move(nodes[n]));
        for (const std::size_t next : dependents[n])
            if (--missing[next] == 0) ready.push(next);
    }
    VITRO_CHECK(ordered.size() == nodes.size(), "a circle");
    nodes = std::move(ordered);
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
      taken_(graph.nodes.size()) {
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
    if (value.producer < 0) return value.kind == ValueKind::weight;
    if (!load_nodes_) load_nodes_ = load_nodes(graph_);
    return (*load_nodes_)[static_cast<std::size_t>(value.producer)];
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

namespace {

/// The value whose memory `id` is: itself, or what it is a view of.
ValueId viewed(const Graph& graph, ValueId id) {
    NodeId producer = graph.value(id).producer;
    for (; producer >= 0 && graph.node(producer).op->is_view; producer = graph.value(id).producer)
        id = graph.node(producer).inputs[graph.node(producer).op->aliases[0].input];
    return id;
}

/// The op that writes over a value that is no view, or -1.
NodeId writer_over(const Rewriter& rewriter, ValueId id) {
    const Graph& graph = rewriter.graph();
    std::vector<ValueId> same{id};  // the value and its views
    while (!same.empty()) {
        const ValueId at = same.back();
        same.pop_back();
        for (const NodeId user : rewriter.users(at)) {
            const Node& node = graph.node(user);
            for (const auto& [output, input] : node.op->aliases) {
                if (node.inputs[input] != at) continue;
                if (!node.op->is_view) return user;
                same.push_back(node.outputs[output]);
            }
        }
    }
    return -1;
}

/// Whether a value that is no view is a state, or what an op made of one by writing over it. What others are, such as a
/// mask, many ops may read.
bool is_version_of_state(const Graph& graph, ValueId id) {
    const NodeId producer = graph.value(id).producer;
    return producer >= 0 ? !graph.node(producer).op->aliases.empty() : graph.value(id).kind == ValueKind::state;
}

}  // namespace

bool Rewriter::require_single_use(ValueId at, ValueId id) {
    if (uses(id) != 1) return refuse(at, fmt::format("intermediate {} has {} uses", graph_.value(id).path, uses(id)));
    // Fused, it is computed where its user is: perhaps behind an op that writes over what it reads.
    const NodeId producer = graph_.value(id).producer;
    if (producer < 0) return true;
    for (const ValueId read : present(graph_.node(producer).inputs)) {
        const ValueId memory = viewed(graph_, read);
        if (!is_version_of_state(graph_, memory)) continue;
        if (const NodeId writer = writer_over(*this, memory); writer >= 0 && writer != producer)
            return refuse(at, fmt::format("{} reads {} before {} writes over it", graph_.value(id).path,
                                          graph_.value(read).path, describe(graph_, graph_.node(writer))));
    }
    return true;
}

bool Rewriter::require_lasting(ValueId copy, ValueId original) {
    const NodeId producer = graph_.value(copy).producer;
    if (producer >= 0 && graph_.node(producer).op->is_view && graph_.node(producer).inputs[0] == original) return true;
    const ValueId memory = viewed(graph_, copy), other = viewed(graph_, original);
    if (memory == other) return true;
    for (const ValueId each : {memory, other})
        if (const NodeId writer = writer_over(*this, each); writer >= 0)
            return refuse(copy, fmt::format("{} writes over {}: it is a copy that is needed",
                                            describe(graph_, graph_.node(writer)), graph_.value(each).path));
    return true;
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
    replaced_.emplace_back(from, to);
    journal_.fates[graph_.value(from).path] = {kind, graph_.value(to).path, pass_};
    changed_ = true;
}

std::vector<Node> Rewriter::edited_nodes() {
    // Added nodes go before the node at their position: they define what it, if it stays, may use.
    std::stable_sort(added_.begin(), added_.end(),
                     [](const Placed& a, const Placed& b) { return a.position < b.position; });
    std::vector<Node> nodes;
    nodes.reserve(graph_.nodes.size() + added_.size());
    auto added = added_.begin();
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
        for (; added != added_.end() && added->position <= static_cast<NodeId>(n); ++added)
            nodes.push_back(std::move(added->node));
        if (!taken_[n]) nodes.push_back(std::move(graph_.nodes[n]));
    }
    for (; added != added_.end(); ++added) nodes.push_back(std::move(added->node));
    return nodes;
}

void Rewriter::follow_replaced(std::vector<Node>& nodes) {
    if (replaced_.empty()) return;
    std::vector<ValueId> by(graph_.values.size(), kAbsent);
    for (const auto& [from, to] : replaced_) by[static_cast<std::size_t>(from)] = to;
    const auto follow = [&](ValueId& id) {
        ValueId last = id;
        while (by[static_cast<std::size_t>(last)] != kAbsent) last = by[static_cast<std::size_t>(last)];
        while (id != last) id = std::exchange(by[static_cast<std::size_t>(id)], last);  // a long chain is walked once
    };
    for (Node& node : nodes)
        for (ValueId& id : present(node.inputs)) follow(id);
    for (ValueId& id : graph_.results) follow(id);
    for (StateUpdate& update : graph_.updates) follow(update.next);
}

bool Rewriter::finish() {
    if (!changed_ && !has_unwanted(graph_)) return false;
    std::vector<Node> nodes = edited_nodes();
    follow_replaced(nodes);
    put_in_order(nodes, graph_.values.size());
    const std::vector<bool> needed = needed_values(graph_, nodes);
    std::vector<ValueId> kept;  // leaves, then what the nodes compute
    for (std::size_t i = 0; i < graph_.values.size(); ++i) {
        const ValueInfo& value = graph_.values[i];
        if (stays(value) || (value.kind != ValueKind::result && needed[i])) kept.push_back(static_cast<ValueId>(i));
    }
    std::erase_if(nodes, [&](const Node& node) {
        const bool is_wanted = needed[static_cast<std::size_t>(node.outputs[0])];
        if (is_wanted) kept.insert(kept.end(), node.outputs.begin(), node.outputs.end());
        if (is_wanted) return false;
        changed_ = true;
        for (const ValueId id : node.outputs)
            journal_.fates.emplace(graph_.value(id).path, Fate{Fate::Kind::unused, {}, pass_});
        return true;
    });
    changed_ |= kept.size() != graph_.values.size();
    const std::vector<ValueId> moved = graph_.keep(kept);
    const auto renumber = [&](ValueId& id) { id = moved[static_cast<std::size_t>(id)]; };
    for (std::size_t n = 0; n < nodes.size(); ++n) {
        for (ValueId& id : present(nodes[n].inputs)) renumber(id);
        for (ValueId& id : nodes[n].outputs) {
            renumber(id);
            graph_.value(id).producer = static_cast<NodeId>(n);
        }
    }
    for (ValueId& id : graph_.results) renumber(id);
    for (StateUpdate& update : graph_.updates) {
        renumber(update.state);
        renumber(update.next);
    }
    graph_.nodes = std::move(nodes);
    return changed_;
}

}  // namespace vitro
