// f(x), f(x) -> f(x)
//
// Nodes with the same op, attributes and inputs compute the same. Ops that write over an input (kv_append) are left
// alone: each is an event of its own. So are results, which keep their names, and values that are written over.
#include "passes/passes.h"

#include <algorithm>
#include <unordered_map>

namespace vitro {
namespace {

/// Finds the first of nodes that compute the same.
class FirstOfAlike {
public:
    explicit FirstOfAlike(const Graph& graph) : merged_(graph.values.size(), kAbsent) {
        seen_.reserve(graph.nodes.size());
    }

    /// The node seen before that is like this one, or null: then it is the first.
    const Node* find(const Node& node) {
        const std::size_t hash = hash_of(node);
        const auto [begin, end] = seen_.equal_range(hash);
        const auto at = std::find_if(begin, end, [&](const auto& entry) { return are_alike(*entry.second, node); });
        if (at != end) return at->second;
        seen_.emplace(hash, &node);
        return nullptr;
    }

    /// From now on, who reads `from` reads `to`.
    void merge(ValueId from, ValueId to) { merged_[static_cast<std::size_t>(from)] = to; }

private:
    ValueId merged(ValueId id) const {
        const ValueId kept = id == kAbsent ? kAbsent : merged_[static_cast<std::size_t>(id)];
        return kept == kAbsent ? id : kept;
    }
    /// Equal for nodes that are alike.
    std::size_t hash_of(const Node& node) const {
        std::size_t hash = std::hash<const OpDef*>()(node.op);
        for (const ValueId id : node.inputs)
            hash = hash * 0x9e3779b97f4a7c15U + static_cast<std::size_t>(merged(id) + 1);
        return hash;
    }
    bool are_alike(const Node& a, const Node& b) const {
        return a.op == b.op && a.device == b.device && a.attributes == b.attributes &&
               std::equal(a.inputs.begin(), a.inputs.end(), b.inputs.begin(), b.inputs.end(),
                          [&](ValueId x, ValueId y) { return merged(x) == merged(y); });
    }

    std::unordered_multimap<std::size_t, const Node*> seen_;  // by hash_of; no two are alike
    std::vector<ValueId> merged_;                             // by ValueId: what it is, where it is another value
};

}  // namespace

bool merge_common_subexpressions(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "merge_common_subexpressions");
    std::vector<bool> is_result(graph.values.size());
    for (const ValueId id : graph.results) is_result[static_cast<std::size_t>(id)] = true;
    FirstOfAlike seen(graph);
    for (const Node& node : graph.nodes) {
        if (!node.op->aliases.empty() && !node.op->is_view) continue;
        const Node* first = seen.find(node);
        if (first == nullptr) continue;
        const auto at = std::find_if(node.outputs.begin(), node.outputs.end(),
                                     [&](ValueId id) { return bool(is_result[static_cast<std::size_t>(id)]); });
        if (at != node.outputs.end()) {
            rewriter.refuse(*at, "it is a result of the graph");
            continue;
        }
        bool lasts = true;  // views of the same are the same memory
        for (std::size_t i = 0; i < node.outputs.size() && lasts && !node.op->is_view; ++i)
            lasts = rewriter.require_lasting(node.outputs[i], first->outputs[i]);
        if (!lasts) continue;
        for (std::size_t i = 0; i < node.outputs.size(); ++i) {
            const ValueId kept = first->outputs[i];
            seen.merge(node.outputs[i], kept);
            rewriter.fired(node.outputs[i], fmt::format("is {}", graph.value(kept).path));
            rewriter.replace_uses(node.outputs[i], kept, Fate::Kind::merged);
        }
    }
    return rewriter.finish();
}

}  // namespace vitro
