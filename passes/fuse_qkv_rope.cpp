// q, k, v = split(qkv); rope(q); kv_append(rope(k)); kv_append(v) -> qkv_rope_append(qkv)
#include "ops/kv_append/kv_append.h"
#include "ops/qkv_rope_append/qkv_rope_append.h"
#include "ops/rope/rope.h"
#include "ops/split/split.h"
#include "passes/passes.h"

namespace vitro {
namespace {

class Match {
public:
    Match(Rewriter& rewriter, NodeId split) : rewriter_(rewriter), graph_(rewriter.graph()), split_(split) {}

    bool fuse() {
        const Node& split = graph_.node(split_);
        at_ = split.outputs[0];
        matched_.push_back(split_);
        if (split.outputs.size() != 3 || graph_.value(split.inputs[0]).type.rank() != 2)
            return rewriter_.refuse(at_, "the split is not a matrix into q, k and v");
        const Node *q_heads = user(split.outputs[0], "reshape"),
                   *q = q_heads ? user(q_heads->outputs[0], "rope") : nullptr;
        const Node* k_heads = q ? user(split.outputs[1], "reshape") : nullptr;
        const Node* k = k_heads ? user(k_heads->outputs[0], "rope") : nullptr;
        const Node* k_append = k ? user(k->outputs[0], "kv_append") : nullptr;
        const Node* v_heads = k_append ? user(split.outputs[2], "reshape") : nullptr;
        const Node* v_append = v_heads ? user(v_heads->outputs[0], "kv_append") : nullptr;
        if (!v_append) return false;

        const auto rest = [](const Node& node, std::size_t from) {
            return std::vector<ValueId>(node.inputs.begin() + static_cast<std::ptrdiff_t>(from), node.inputs.end());
        };
        if (!(q->attributes == k->attributes) ||
            rest(*q, RopeAttributes::kPositions) != rest(*k, RopeAttributes::kPositions))
            return rewriter_.refuse(at_, "q and k are rotated differently");
        if (rest(*k_append, KvAppend::kPositions) != rest(*v_append, KvAppend::kPositions))
            return rewriter_.refuse(at_, "k and v are appended at different places");
        if (q->inputs[RopeAttributes::kPositions] != k_append->inputs[KvAppend::kPositions])
            return rewriter_.refuse(at_, "rope and kv_append have different positions");
        if (const ValueId sequences = q->inputs[RopeAttributes::kSequences];
            sequences != kAbsent && sequences != k_append->inputs[KvAppend::kSequences])
            return rewriter_.refuse(at_, "rope and kv_append have different sequences");
        const TensorType &k_type = graph_.value(k_append->inputs[KvAppend::kCache]).type,
                         &q_type = graph_.value(q->outputs[0]).type;
        if (k_type != graph_.value(v_append->inputs[KvAppend::kCache]).type)
            return rewriter_.refuse(at_, "the caches of keys and values differ in type");
        for (const Node* append : {k_append, v_append})
            if (const ValueId cache = append->inputs[KvAppend::kCache]; rewriter_.users(cache).size() > 1)
                return rewriter_.refuse(at_,
                                        fmt::format("{} is read before it is appended to", graph_.value(cache).path));
        if (q_type.dim(2) != k_type.dim(3))
            return rewriter_.refuse(at_, "the heads of q and of the cache differ in size");

        std::vector<ValueId> inputs{split.inputs[0],
                                    k_append->inputs[KvAppend::kCache],
                                    v_append->inputs[KvAppend::kCache],
                                    k_append->inputs[KvAppend::kPositions],
                                    k_append->inputs[KvAppend::kSequences],
                                    k_append->inputs[KvAppend::kPageTable],
                                    q->inputs[RopeAttributes::kRopeLengths]};
        rewriter_.fired(q->outputs[0], "q and k rotated, k and v appended in one step");
        rewriter_.replace(matched_, {&kQkvRopeAppend,
                                     QkvRopeAppend{q->attributes.as<RopeAttributes>(), q_type.dim(1).size},
                                     std::move(inputs),
                                     {q->outputs[0], k_append->outputs[0], v_append->outputs[0]},
                                     q->source,
                                     {}});
        return true;
    }

private:
    /// The only user of `id`, if it is `op` and has it as x; else refuses.
    const Node* user(ValueId id, std::string_view op) {
        if (!rewriter_.require_single_use(at_, id)) return nullptr;
        const auto users = rewriter_.users(id);
        const std::size_t x = op == kKvAppend.name ? std::size_t{KvAppend::kX} : 0;
        if (users.empty() || graph_.node(users[0]).op->name != op || graph_.node(users[0]).inputs[x] != id) {
            rewriter_.refuse(at_, fmt::format("{} does not go into {}", graph_.value(id).path, op));
            return nullptr;
        }
        matched_.push_back(users[0]);
        return &graph_.node(users[0]);
    }

    Rewriter& rewriter_;
    const Graph& graph_;
    NodeId split_;
    ValueId at_ = -1;
    std::vector<NodeId> matched_;
};

}  // namespace

bool fuse_qkv_rope(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "fuse_qkv_rope");
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        if (graph.nodes[n].op == &kSplit && graph.nodes[n].outputs.size() == 3)
            Match(rewriter, static_cast<NodeId>(n)).fuse();
    return rewriter.finish();
}

}  // namespace vitro
