// f(x), f(x) -> f(x)
//
// Nodes with the same op, attributes and inputs compute the same. Ops that write over an input (kv_append) are left
// alone: each is an event of its own.
#include "passes/passes.h"

#include <map>
#include <tuple>

namespace vitro {

bool merge_common_subexpressions(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "merge_common_subexpressions");
    using Key = std::tuple<std::string_view, std::vector<std::pair<std::string, std::string>>, std::vector<ValueId>>;
    std::map<Key, const Node*> seen;
    std::map<ValueId, ValueId> merged;
    for (const Node& node : graph.nodes) {
        if (!node.op->aliases.empty() && !node.op->is_view) continue;
        std::vector<ValueId> inputs = node.inputs;
        for (ValueId& id : inputs)
            if (const auto at = merged.find(id); at != merged.end()) id = at->second;
        const auto [first, is_new] =
            seen.try_emplace({node.op->name, node.attributes.texts(), std::move(inputs)}, &node);
        if (is_new) continue;
        for (std::size_t i = 0; i < node.outputs.size(); ++i) {
            const ValueId kept = first->second->outputs[i];
            merged[node.outputs[i]] = kept;
            rewriter.fired(node.outputs[i], fmt::format("is {}", graph.value(kept).path));
            rewriter.replace_uses(node.outputs[i], kept, Fate::Kind::merged);
        }
    }
    return rewriter.finish();
}

}  // namespace vitro
