#include "graph/recover.h"

#include "graph/copy.h"
#include "graph/interpret.h"
#include "graph/split_load.h"

#include <algorithm>

namespace vitro {
namespace {

/// The op only rounds the elements of its input to another type.
bool only_converts(const OpDef& op) { return op.locality == Locality::elements && op.is_identity == keeps_type; }

/// The op takes some rows of its first input.
bool takes_rows(const OpDef& op) {
    return op.locality == Locality::moves &&
           std::any_of(op.inputs.begin(), op.inputs.end(), [&](const InputDef& input) {
               return input.role == InputRole::rows && input.of == op.inputs[0].name;
           });
}

/// The op hands on elements of its first input: walks go through it where the other graph has no such node.
bool hands_on(const Node& node) {
    return node.op->is_view || node.op == &kCopy || only_converts(*node.op) || takes_rows(*node.op);
}

/// The outputs are parts of the first input.
bool takes_apart(const Node& node) { return node.op->locality == Locality::moves && node.outputs.size() > 1; }

const Node* producer(const Graph& graph, ValueId id) {
    const NodeId node = graph.value(id).producer;
    return node < 0 ? nullptr : &graph.node(node);
}

/// Which input of `there` stands for input `i` of `here`: those of an op that commutes may have changed places.
std::size_t counterpart(const Graph& source, const Node& here, const Graph& graph, const Node& there, std::size_t i) {
    if (!here.op->commutes) return i;
    const auto path = [](const Graph& of, const Node& node, std::size_t at) { return of.value(node.inputs[at]).path; };
    const auto rank = [](const Graph& of, const Node& node, std::size_t at) {
        return of.value(node.inputs[at]).type.rank();
    };
    const bool crosses =
        path(source, here, 0) == path(graph, there, 1) || path(source, here, 1) == path(graph, there, 0);
    const bool fits = rank(source, here, 0) == rank(graph, there, 0) && rank(source, here, 1) == rank(graph, there, 1);
    return crosses || !fits ? 1 - i : i;
}

/// The program's graph as it is before placement, every fused op in its decomposition.
Graph decomposed(const Graph& graph, Backend& host) {
    const Target no_kernels{host, {}};
    Graph plain = graph;
    for (ValueInfo& value : plain.values) value.device.clear();
    for (Node& node : plain.nodes) node.device.clear();
    return decompose_unsupported(plain, {&no_kernels, 1});
}

}  // namespace

Recovery::Recovery(const Program& program, const Graph& source, const Journal& journal, Backend& host)
    : graph_(decomposed(program.graph, host)),
      of_program_(graph_.values.size(), -1),
      is_computed_(graph_.values.size()) {
    for (std::size_t i = 0; i < graph_.values.size(); ++i) {
        const ValueId id = program.graph.find(graph_.values[i].path);
        of_program_[i] = id;
        is_computed_[i] = id >= 0 && program.plan.place(id).region != Region::weights;
        values_[graph_.values[i].path] = {static_cast<ValueId>(i), id >= 0, {}};
    }
    match(source);
    const std::vector<bool> at_load = load_nodes(source);
    for (const ValueInfo& value : source.values) {
        if (values_.contains(value.path)) continue;
        const bool is_leaf = value.kind == ValueKind::weight || value.kind == ValueKind::constant;
        if (is_leaf || (value.producer >= 0 && at_load[static_cast<std::size_t>(value.producer)])) continue;
        // Merged into another, or folded into a constant: the same elements under another path.
        const std::string into = journal.realized_by(value.path);
        const auto fate = journal.fates.find(value.path);
        const bool is_same = fate != journal.fates.end() &&
                             (fate->second.kind == Fate::Kind::merged || fate->second.kind == Fate::Kind::folded);
        const auto found = values_.find(into);
        if (is_same && found != values_.end())
            values_[value.path] = {found->second.id, found->second.is_copied, into};
        else
            lost_.push_back(value.path);
    }
}

/// Walks `source` and the decomposed graph side by side, from the values that both have up to their inputs.
void Recovery::match(const Graph& source) {
    std::vector<std::pair<ValueId, ValueId>> open;  // of source, of graph_: the same value
    std::vector<bool> seen(source.values.size());
    for (const Node& node : source.nodes)
        for (const ValueId id : node.outputs)
            if (const ValueId here = graph_.find(source.value(id).path); here >= 0) open.emplace_back(id, here);
    const auto meet = [&](ValueId there, ValueId here) {
        if (there >= 0 && here >= 0) open.emplace_back(there, here);
    };
    while (!open.empty()) {
        const auto [there, here] = open.back();
        open.pop_back();
        const std::string& path = source.value(there).path;
        const auto known = values_.find(path);
        if (known == values_.end())
            values_[path] = {here, is_copied(here), is_copied(here) ? graph_.value(here).path : std::string{}};
        if (seen[static_cast<std::size_t>(there)]) continue;
        const Node *a = producer(source, there), *b = producer(graph_, here);
        if (a == nullptr || b == nullptr) continue;
        if (a->op == b->op && a->inputs.size() == b->inputs.size()) {
            seen[static_cast<std::size_t>(there)] = true;
            for (std::size_t i = 0; i < a->inputs.size(); ++i)
                meet(a->inputs[i], b->inputs[counterpart(source, *a, graph_, *b, i)]);
            for (std::size_t i = 0; i < std::min(a->outputs.size(), b->outputs.size()); ++i)
                if (a->outputs[i] != there) meet(a->outputs[i], b->outputs[i]);
        } else if (hands_on(*b) || takes_apart(*b)) {  // of a projection that was merged with others
            meet(there, b->inputs[0]);
        } else if (hands_on(*a)) {
            seen[static_cast<std::size_t>(there)] = true;
            meet(a->inputs[0], here);
        }
    }
}

std::vector<bool> Recovery::needed_nodes(std::span<const ValueId> wanted) const {
    std::vector<bool> needed(graph_.nodes.size());
    std::vector<ValueId> open(wanted.begin(), wanted.end());
    while (!open.empty()) {
        const ValueId id = open.back();
        open.pop_back();
        if (id < 0 || is_copied(id) || graph_.value(id).producer < 0) continue;
        const auto node = static_cast<std::size_t>(graph_.value(id).producer);
        if (needed[node]) continue;
        needed[node] = true;
        for (const ValueId input : present(graph_.nodes[node].inputs)) open.push_back(input);
    }
    return needed;
}

std::vector<ValueId> Recovery::taps_for(std::span<const ValueId> wanted) const {
    std::vector<bool> read(graph_.values.size());
    for (const ValueId id : wanted) read[static_cast<std::size_t>(id)] = true;
    const std::vector<bool> needed = needed_nodes(wanted);
    for (std::size_t n = 0; n < needed.size(); ++n)
        if (needed[n])
            for (const ValueId id : present(graph_.nodes[n].inputs)) read[static_cast<std::size_t>(id)] = true;
    std::vector<ValueId> taps;
    for (std::size_t i = 0; i < read.size(); ++i) {
        const ValueKind kind = graph_.values[i].kind;
        if (read[i] && is_computed_[i] && kind != ValueKind::weight && kind != ValueKind::constant)
            taps.push_back(of_program_[i]);
    }
    return taps;
}

void Recovery::compute(std::span<const ValueId> wanted, const SymbolValues& symbols, Backend& host, const Read& read,
                       const std::function<void(ValueId, const Elements&)>& take) const {
    const std::vector<bool> needed = needed_nodes(wanted);
    std::vector<bool> is_wanted(graph_.values.size());
    for (const ValueId id : wanted) is_wanted[static_cast<std::size_t>(id)] = true;
    std::vector<int> uses(graph_.values.size());
    for (std::size_t n = 0; n < needed.size(); ++n)
        if (needed[n])
            for (const ValueId id : present(graph_.nodes[n].inputs)) ++uses[static_cast<std::size_t>(id)];

    std::vector<Elements> elements(graph_.values.size());
    std::vector<bool> there(graph_.values.size());
    const auto fetch = [&](ValueId id) {
        const auto i = static_cast<std::size_t>(id);
        if (there[i]) return;
        const ValueInfo& value = graph_.value(id);
        elements[i] = value.kind == ValueKind::constant ? value.data : read(of_program_[i]);
        there[i] = true;
    };
    const auto give = [&](ValueId id) {
        const auto i = static_cast<std::size_t>(id);
        if (is_wanted[i]) take(id, elements[i]);
        if (uses[i] == 0) Elements().swap(elements[i]);
    };
    for (std::size_t i = 0; i < graph_.values.size(); ++i) {
        const auto id = static_cast<ValueId>(i);
        if (!is_wanted[i] || (!is_copied(id) && graph_.value(id).producer >= 0)) continue;
        fetch(id);
        give(id);
    }
    for (std::size_t n = 0; n < needed.size(); ++n) {
        if (!needed[n]) continue;
        const Node& node = graph_.nodes[n];
        std::vector<const Elements*> inputs;
        for (const ValueId id : node.inputs) {
            if (id != kAbsent) fetch(id);
            inputs.push_back(id == kAbsent ? nullptr : &elements[static_cast<std::size_t>(id)]);
        }
        std::vector<Elements> outputs = interpret(graph_, node, inputs, symbols, host);
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            const ValueId id = node.outputs[i];
            if (is_copied(id)) continue;  // the run's own stands
            elements[static_cast<std::size_t>(id)] = std::move(outputs[i]);
            there[static_cast<std::size_t>(id)] = true;
            give(id);
        }
        for (const ValueId id : present(node.inputs))
            if (--uses[static_cast<std::size_t>(id)] == 0) Elements().swap(elements[static_cast<std::size_t>(id)]);
    }
}

}  // namespace vitro
