// f(x), f(x) -> f(x)
//
// Nodes with the same op, attributes and inputs compute the same. Ops that write over an input (kv_append) are left
// alone: each is an event of its own. So are results, which keep their names.
#include "passes/passes.h"

#include <algorithm>
#include <map>

namespace vitro {

bool merge_common_subexpressions(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "merge_common_subexpressions");
    std::map<std::pair<std::string_view, std::vector<ValueId>>, std::vector<const Node*>> seen;  // by op and inputs
    std::map<ValueId, ValueId> merged;
    for (const Node& node : graph.nodes) {
        if (!node.op->aliases.empty() && !node.op->is_view) continue;
        std::vector<ValueId> inputs = node.inputs;
        for (ValueId& id : inputs)
            if (const auto at = merged.find(id); at != merged.end()) id = at->second;
        std::vector<const Node*>& alike = seen[{node.op->name, std::move(inputs)}];
        const auto first = std::find_if(alike.begin(), alike.end(), [&](const Node* other) {
            return other->attributes == node.attributes && other->device == node.device;
        });
        if (first == alike.end()) {
            alike.push_back(&node);
            continue;
        }
        const auto is_result = [&](ValueId id) {
            return std::find(graph.results.begin(), graph.results.end(), id) != graph.results.end();
        };
        if (const auto at = std::find_if(node.outputs.begin(), node.outputs.end(), is_result);
            at != node.outputs.end()) {
            rewriter.refuse(*at, "it is a result of the graph");
            continue;
        }
        for (std::size_t i = 0; i < node.outputs.size(); ++i) {
            const ValueId kept = (*first)->outputs[i];
            merged[node.outputs[i]] = kept;
            rewriter.fired(node.outputs[i], fmt::format("is {}", graph.value(kept).path));
            rewriter.replace_uses(node.outputs[i], kept, Fate::Kind::merged);
        }
    }
    return rewriter.finish();
}

}  // namespace vitro
