// q, k, v = split(qkv); rope(q); kv_append(rope(k)); kv_append(v) -> qkv_rope_append(qkv)
// q, k = split(qk), v apart, or each apart; the same -> qkv_rope_append(qk, v), qkv_rope_append(q, k, v)
//
// The second where projections could not be merged, since their weights differ in type.
#include "ops/add/add.h"
#include "ops/kv_append/kv_append.h"
#include "ops/matmul/matmul.h"
#include "ops/qkv_rope_append/qkv_rope_append.h"
#include "ops/reshape/reshape.h"
#include "ops/rope/rope.h"
#include "ops/split/split.h"
#include "passes/passes.h"

#include <map>

namespace vitro {
namespace {

/// q, k and v as projections give them: [T, heads * d] each.
struct Parts {
    ValueId q, k, v;
};

class Match {
public:
    Match(Rewriter& rewriter, const PassContext& context, Parts parts)
        : rewriter_(rewriter), context_(context), graph_(rewriter.graph()), parts_(parts), at_(parts.q) {}

    bool fuse() {
        const Node *q_heads = user(parts_.q, "reshape"), *q = q_heads ? user(q_heads->outputs[0], "rope") : nullptr;
        const Node* k_heads = q ? user(parts_.k, "reshape") : nullptr;
        const Node* k = k_heads ? user(k_heads->outputs[0], "rope") : nullptr;
        const Node* k_append = k ? user(k->outputs[0], "kv_append") : nullptr;
        const Node* v_heads = k_append ? user(parts_.v, "reshape") : nullptr;
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

        const QkvRopeAppend fused{q->attributes.as<RopeAttributes>(), q_type.dim(1).size};
        const Parts given = joined();
        const bool is_apart = given.k != kAbsent || given.v != kAbsent;
        Node node{&kQkvRopeAppend,
                  fused,
                  {given.q, k_append->inputs[KvAppend::kCache], v_append->inputs[KvAppend::kCache],
                   k_append->inputs[KvAppend::kPositions], k_append->inputs[KvAppend::kSequences],
                   k_append->inputs[KvAppend::kPageTable], q->inputs[RopeAttributes::kRopeLengths], given.k, given.v},
                  {q->outputs[0], k_append->outputs[0], v_append->outputs[0]},
                  q->source,
                  {}};
        if (const std::string reason = is_apart ? context_.refuses(graph_, node) : ""; !reason.empty())
            return rewriter_.refuse(at_, reason);
        rewriter_.fired(q->outputs[0], "q and k rotated, k and v appended in one step");
        rewriter_.replace(matched_, std::move(node));
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

    /// What the fused op reads: where a split made q and what follows, its input, from then on without the split; k and
    /// v only where they are apart.
    Parts joined() {
        const NodeId id = rewriter_.producer(parts_.q, kSplit.name);
        if (id < 0) return parts_;
        const Node& split = graph_.node(id);
        const auto is_split_into = [&](std::vector<ValueId> outputs) { return split.outputs == outputs; };
        Parts out{split.inputs[0], kAbsent, kAbsent};
        if (is_split_into({parts_.q, parts_.k}))
            out.v = parts_.v;
        else if (is_split_into({parts_.q, parts_.v}))
            out.k = parts_.k;
        else if (!is_split_into({parts_.q, parts_.k, parts_.v}))
            return parts_;
        matched_.insert(matched_.begin(), id);
        return out;
    }

    Rewriter& rewriter_;
    const PassContext& context_;
    const Graph& graph_;
    const Parts parts_;
    ValueId at_;
    std::vector<NodeId> matched_;
};

/// x of the projection x·Wᵀ, with or without a bias, alone or one of several that a split parts; or -1.
ValueId projected(const Graph& graph, ValueId part) {
    const Node* node = nullptr;
    const auto step_to = [&](ValueId value) {
        const NodeId producer = graph.value(value).producer;
        node = producer < 0 ? nullptr : &graph.node(producer);
    };
    step_to(part);
    if (node && node->op == &kSplit) step_to(node->inputs[0]);
    if (node && node->op == &kAdd) step_to(node->inputs[0]);
    return node && node->op == &kMatmul ? node->inputs[0] : -1;
}

/// Of each x the projections that are rotated, rotated and appended, and appended.
struct Projections {
    std::vector<ValueId> q, k, v;
};

std::map<ValueId, Projections> projections_by_input(const Rewriter& rewriter) {
    const Graph& graph = rewriter.graph();
    std::map<ValueId, Projections> out;
    for (const Node& node : graph.nodes) {
        if (node.op != &kRope && node.op != &kKvAppend) continue;
        const std::size_t at = node.op == &kRope ? 0 : std::size_t{KvAppend::kX};
        const NodeId heads = rewriter.producer(node.inputs[at], kReshape.name);
        if (heads < 0) continue;
        const ValueId part = graph.node(heads).inputs[0], x = projected(graph, part);
        if (x < 0) continue;
        const auto users = rewriter.users(node.outputs[0]);
        const bool is_appended = !users.empty() && graph.node(users[0]).op == &kKvAppend;
        Projections& found = out[x];
        (node.op == &kKvAppend ? found.v : is_appended ? found.k : found.q).push_back(part);
    }
    return out;
}

}  // namespace

bool fuse_qkv_rope(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "fuse_qkv_rope");
    for (const Node& node : graph.nodes) {
        if (node.op != &kSplit || node.outputs.size() != 3) continue;
        if (graph.value(node.inputs[0]).type.rank() == 2)
            Match(rewriter, context, {node.outputs[0], node.outputs[1], node.outputs[2]}).fuse();
        else
            rewriter.refuse(node.outputs[0], "the split is not a matrix into q, k and v");
    }
    for (const auto& [x, found] : projections_by_input(rewriter)) {
        if (found.q.size() != 1 || found.k.size() != 1 || found.v.size() != 1) continue;
        const NodeId split = rewriter.producer(found.v[0], kSplit.name);
        if (split >= 0 && graph.node(split).outputs.size() == 3) continue;  // seen above
        Match(rewriter, context, {found.q[0], found.k[0], found.v[0]}).fuse();
    }
    return rewriter.finish();
}

}  // namespace vitro
