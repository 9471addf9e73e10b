#include "graph/check_numerics.h"

#include "base/checked.h"
#include "graph/split_load.h"

#include <algorithm>

namespace vitro {
namespace {

/// The node with everything that decides what it computes, and under which names.
std::string text_of(const Graph& graph, const Node& node) {
    std::string text(node.op->name);
    for (const auto& [name, value] : node.attributes.texts()) text += fmt::format(" {}={}", name, value);
    for (const auto* ids : {&node.inputs, &node.outputs}) {
        text += " :";
        for (const ValueId id : *ids)
            text +=
                id == kAbsent ? " none" : fmt::format(" {} {}", graph.value(id).path, to_string(graph.value(id).type));
    }
    return text;
}

/// Of two float types the one with the larger unit.
DType coarser(DType a, DType b) {
    if (b == DType::i32 || a == DType::i32) return b == DType::i32 ? a : b;
    return unit(a) < unit(b) ? b : a;
}

}  // namespace

void NumericsCheck::check_size(const Graph& graph) const {
    std::int64_t kept = 0, weight = 0;
    for (const ValueInfo& value : graph.values) {
        const std::int64_t bytes = bytes_of(value.type, synthetic_->symbols());
        if (value.kind == ValueKind::weight)
            weight = std::max(weight, bytes);
        else if (is_loaded(value))  // together with what it is made of
            weight = std::max(weight, std::min(bytes, kMostBytes / 2) * 2);
        else
            kept = bytes > kMostBytes ? kMostBytes + 1 : std::min(kept + bytes, kMostBytes + 1);
    }
    if (kept > kMostBytes - weight)
        fail("the values of {} do not fit the {} GiB that checking numerics may take: give smaller symbols or caches",
             graph.name, kMostBytes >> 30);
}

const Elements& NumericsCheck::elements(const Graph& graph, ValueId id, const std::map<std::string, Known>& fresh,
                                        std::map<std::string, Elements>& leaves) const {
    const ValueInfo& value = graph.value(id);
    if (value.kind == ValueKind::result && !is_loaded(value)) {
        if (const auto at = fresh.find(value.path); at != fresh.end()) return at->second.elements;
        return before_.values.at(value.path).elements;
    }
    if (const auto known = leaves.find(value.path); known != leaves.end()) return known->second;
    if (!is_loaded(value))
        return leaves[value.path] =
                   leaf_elements(value, synthetic_->symbols(),
                                 [&](const ValueInfo& leaf, const Tensor& tensor) { synthetic_->fill(leaf, tensor); });
    const Node& node = graph.node(value.producer);
    std::vector<const Elements*> inputs;
    for (const ValueId input : node.inputs)
        inputs.push_back(input == kAbsent ? nullptr : &elements(graph, input, fresh, leaves));
    std::vector<Elements> outputs = interpret(graph, node, inputs, synthetic_->symbols(), host_);
    for (std::size_t i = 0; i < outputs.size(); ++i) leaves[graph.value(node.outputs[i]).path] = std::move(outputs[i]);
    return leaves.at(value.path);
}

void NumericsCheck::compare(std::string_view stage, const std::string& what, const Known& before, const Elements& found,
                            DType coarsest) {
    // Between two ways to compute a value stand roundings to the types in between, and some of fp32.
    const double most = largest(before.type.dtype, before.elements);
    const double absolute = (coarsest == DType::f32 ? 1e-5 : 4 * unit(coarsest)) * most;
    const bool is_exact = before.type.dtype == DType::i32;
    const std::string difference =
        first_difference(before.type, before.elements, found, is_exact ? Tolerance{} : Tolerance{0, absolute});
    if (!difference.empty()) fail("{} changed {}: {}", stage, what, difference);
    ++values_compared_;
}

void NumericsCheck::run(std::string_view stage, const Graph& graph, const Node& node,
                        std::map<std::string, Known>& fresh) {
    std::map<std::string, Elements> leaves;  // of this node alone: weights are large
    std::vector<const Elements*> inputs;
    DType coarsest = DType::f32;
    for (const ValueId id : node.inputs) {
        if (id == kAbsent) {
            inputs.push_back(nullptr);
            continue;
        }
        const ValueInfo& value = graph.value(id);
        inputs.push_back(&elements(graph, id, fresh, leaves));
        if (value.kind != ValueKind::weight && value.kind != ValueKind::state && !is_loaded(value))
            coarsest = coarser(coarsest, value.type.dtype);
    }
    std::vector<Elements> outputs = interpret(graph, node, inputs, synthetic_->symbols(), host_);
    ++nodes_run_;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        const ValueInfo& value = graph.value(node.outputs[i]);
        const auto known = before_.values.find(value.path);
        if (known != before_.values.end() && known->second.type == value.type)
            compare(stage, value.path, known->second, outputs[i], coarser(coarsest, value.type.dtype));
        else
            fresh[value.path] = {value.type, std::move(outputs[i])};
    }
}

void NumericsCheck::compare_ends(std::string_view stage, const Graph& graph,
                                 const std::map<std::string, Known>& fresh) {
    std::map<std::string, Elements> leaves;
    const auto compare_end = [&](const std::string& what, const std::string& was, ValueId id) {
        const ValueInfo& is = graph.value(id);
        if (was == is.path && is.kind == ValueKind::result && !fresh.contains(was)) return;  // compared when it was run
        const auto known = before_.values.find(was);
        if (known == before_.values.end()) return;  // an input, a weight or a state, which stay as they are
        if (known->second.type != is.type)
            fail("{} changed {}: expected {}, found {}", stage, what, to_string(known->second.type),
                 to_string(is.type));
        compare(stage, fmt::format("{} (now {})", what, is.path), known->second, elements(graph, id, fresh, leaves),
                is.type.dtype);
    };
    if (graph.results.size() != before_.results.size())
        fail("{} changed the results: expected {}, found {}", stage, before_.results.size(), graph.results.size());
    for (std::size_t i = 0; i < graph.results.size(); ++i)
        compare_end(before_.results[i], before_.results[i], graph.results[i]);
    if (graph.updates.size() != before_.updates.size())
        fail("{} changed the updates: expected {}, found {}", stage, before_.updates.size(), graph.updates.size());
    for (const auto& [state, next] : graph.updates) {
        const std::string& path = graph.value(state).path;
        const auto was = before_.updates.find(path);
        if (was == before_.updates.end()) fail("{} changed the updates: found a new one of {}", stage, path);
        compare_end("the update of " + path, was->second, next);
    }
}

void NumericsCheck::restart(std::string_view stage, const Graph& graph) {
    synthetic_.reset();
    before_ = {};
    check(stage, graph);
}

void NumericsCheck::check(std::string_view stage, const Graph& graph) {
    const bool is_first = !synthetic_;
    if (is_first) synthetic_.emplace(graph, wanted_, seed_);
    at_load_ = load_nodes(graph);
    for (const ValueId id : graph.results)
        if (is_loaded(graph.value(id))) at_load_[static_cast<std::size_t>(graph.value(id).producer)] = false;
    check_size(graph);

    std::map<std::string, Known> fresh;
    Before now;
    std::vector<std::size_t> hashes(graph.nodes.size());  // of the nodes' texts
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& node = graph.nodes[n];
        std::string text = text_of(graph, node);
        for (const ValueId id : present(node.inputs))  // what a weight is made of is part of what reads it
            if (is_loaded(graph.value(id)))
                text += fmt::format(" {:x}", hashes[static_cast<std::size_t>(graph.value(id).producer)]);
        hashes[n] = std::hash<std::string>{}(text);
        if (at_load_[n]) continue;
        // A node of the same text reads the same names; where they stand for something else now, it must run again.
        const bool is_known = before_.nodes.contains(text) &&
                              std::ranges::none_of(present(node.inputs),
                                                   [&](ValueId id) { return fresh.contains(graph.value(id).path); });
        if (!is_known) run(stage, graph, node, fresh);
        now.nodes.insert(std::move(text));
    }
    if (!is_first) compare_ends(stage, graph, fresh);

    for (const ValueInfo& value : graph.values) {
        if (value.kind != ValueKind::result || is_loaded(value)) continue;
        const auto at = fresh.find(value.path);
        Known& from = at != fresh.end() ? at->second : before_.values.at(value.path);
        now.values.emplace(value.path, std::move(from));
    }
    for (const ValueId id : graph.results) now.results.push_back(graph.value(id).path);
    for (const auto& [state, next] : graph.updates) now.updates[graph.value(state).path] = graph.value(next).path;
    before_ = std::move(now);
}

}  // namespace vitro
