#include "graph/recover.h"

#include "graph/copy.h"
#include "graph/interpret.h"
#include "graph/split_load.h"

#include <algorithm>

namespace vitro {
namespace {

/// The node only stores its input in another type: it rounds it, or makes numbers of blocks, or blocks of numbers.
bool only_converts(const Graph& graph, const Node& node) {
    if (node.inputs.size() != 1 || node.outputs.size() != 1) return false;
    const TensorType &from = graph.value(node.inputs[0]).type, &to = graph.value(node.outputs[0]).type;
    return from.shape == to.shape && (from.dtype != to.dtype || node.op->is_identity == keeps_type);
}

/// The op takes some rows of its first input.
bool takes_rows(const OpDef& op) {
    return op.locality == Locality::moves &&
           std::any_of(op.inputs.begin(), op.inputs.end(), [&](const InputDef& input) {
               return input.role == InputRole::rows && input.of == op.inputs[0].name;
           });
}

/// The op hands on elements of its first input: walks go through it where the other graph has no such node.
bool hands_on(const Graph& graph, const Node& node) {
    return node.op->is_view || node.op == &kCopy || only_converts(graph, node) || takes_rows(*node.op);
}

/// Whether these are types of one value, of other rows of it, or rounded otherwise.
bool fits(const TensorType& a, const TensorType& b) {
    return std::equal(a.shape.begin(), a.shape.end(), b.shape.begin(), b.shape.end(),
                      [](Dim x, Dim y) { return x == y || (x.is_symbol() && y.is_symbol()); });
}

/// The outputs are parts of the first input.
bool takes_apart(const Node& node) { return node.op->locality == Locality::moves && node.outputs.size() > 1; }

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
    const std::vector<bool> at_load = load_nodes(source);
    match(source, at_load);
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

/// Walks `source` and the decomposed graph side by side, from the values that both have up to their inputs. What load
/// makes is no part of it.
void Recovery::match(const Graph& source, const std::vector<bool>& at_load) {
    struct Pair {
        ValueId there, here;  // of source, of graph_: the same value
        NodeId parts = -1;    // that takes apart what `here` went into: then it is output `part` of its parts
        std::size_t part = 0;
    };
    std::vector<Pair> open;
    std::vector<bool> seen(source.values.size());
    const auto meet = [&](Pair pair) {
        if (pair.there < 0 || pair.here < 0) return;
        const ValueInfo& value = source.value(pair.there);
        if (value.producer < 0 || at_load[static_cast<std::size_t>(value.producer)]) return;
        const ValueId own = graph_.find(value.path);
        if (own < 0 || own == pair.here) open.push_back(pair);  // else it is walked from its own
    };
    for (const Node& node : source.nodes)
        for (const ValueId id : node.outputs) meet({id, graph_.find(source.value(id).path)});
    while (!open.empty()) {
        const auto [there, here, parts, part] = open.back();
        open.pop_back();
        const ValueInfo& value = source.value(there);
        if (!values_.contains(value.path)) {
            const bool is_whole = fits(value.type, graph_.value(here).type);
            const ValueId found = is_whole ? here : parts >= 0 ? part_of(here, parts, part) : -1;
            if (found >= 0 && fits(value.type, graph_.value(found).type))
                values_[value.path] = {found, is_copied(found),
                                       is_copied(found) ? graph_.value(found).path : std::string{}};
        }
        if (seen[static_cast<std::size_t>(there)]) continue;
        const NodeId maker = graph_.value(here).producer;
        if (maker < 0) continue;
        const Node &a = source.node(value.producer), &b = graph_.node(maker);
        if (a.op == b.op && a.inputs.size() == b.inputs.size()) {
            seen[static_cast<std::size_t>(there)] = true;
            for (std::size_t i = 0; i < a.inputs.size(); ++i)
                meet({a.inputs[i], b.inputs[counterpart(source, a, graph_, b, i)], parts, part});
            for (std::size_t i = 0; i < std::min(a.outputs.size(), b.outputs.size()); ++i)
                if (a.outputs[i] != there) meet({a.outputs[i], b.outputs[i], parts, part});
        } else if (takes_apart(b)) {  // of a projection that was merged with others
            const auto at = std::find(b.outputs.begin(), b.outputs.end(), here) - b.outputs.begin();
            open.push_back({there, b.inputs[0], maker, static_cast<std::size_t>(at)});
        } else if (hands_on(graph_, b)) {
            open.push_back({there, b.inputs[0], parts, part});
        } else if (hands_on(source, a)) {
            seen[static_cast<std::size_t>(there)] = true;
            meet({a.inputs[0], here, parts, part});
        }
    }
}

/// The part of a value that a node would take of it, where it takes apart values of that shape; else -1. A new node of
/// graph_.
ValueId Recovery::part_of(ValueId whole, NodeId parts, std::size_t part) {
    const Node& like = graph_.node(parts);
    if (graph_.value(like.inputs[0]).type.shape != graph_.value(whole).type.shape) return -1;
    const auto known = parts_.find({whole, parts});
    if (known != parts_.end()) return graph_.node(known->second).outputs[part];
    Node node{.op = like.op, .attributes = like.attributes, .inputs = {whole}, .source = like.source};
    const auto id = static_cast<NodeId>(graph_.nodes.size());
    const std::vector<ValueId> outputs = like.outputs;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        TensorType type = graph_.value(outputs[i]).type;
        type.dtype = graph_.value(whole).type.dtype;
        const std::string path = fmt::format("{}.part.{}", graph_.value(whole).path, i);
        node.outputs.push_back(graph_.add_value({.type = type, .path = path, .producer = id}));
        of_program_.push_back(-1);
        is_computed_.push_back(false);
    }
    graph_.nodes.push_back(std::move(node));
    parts_[{whole, parts}] = id;
    return graph_.nodes.back().outputs[part];
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
