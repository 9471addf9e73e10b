// softmax([softcap](q·Kᵀ * scale) + mask)·V, K and V gathered from pages and repeated for GQA -> attention(q, pages)
//
// The scores of a step never stand in memory, and keys and values are read where they lie.
#include "ops/attention/attention.h"
#include "ops/attention_mask/attention_mask.h"
#include "ops/kv_gather/kv_gather.h"
#include "ops/matmul/matmul.h"
#include "ops/softcap/softcap.h"
#include "ops/softmax/softmax.h"
#include "ops/transpose/transpose.h"
#include "passes/passes.h"

#include <cstring>

namespace vitro {
namespace {

const std::vector<std::int64_t> kHeadsFirst{1, 0, 2};

/// Walks from a softmax to what it stands between, noting the nodes on the way.
class Match {
public:
    Match(Rewriter& rewriter, const PassContext& context, NodeId softmax)
        : rewriter_(rewriter), context_(context), graph_(rewriter.graph()), softmax_(softmax) {}

    bool fuse() {
        const ValueId weights = graph_.node(softmax_).outputs[0];
        at_ = weights;
        matched_.push_back(softmax_);
        if (const auto& inputs = graph_.node(softmax_).inputs;
            inputs.size() > Softmax::kSink && inputs[Softmax::kSink] != kAbsent)
            return rewriter_.refuse(at_, "attention has no sinks");
        return match_scores(graph_.node(softmax_).inputs[0]) && match_output(weights) && check_and_replace();
    }

private:
    /// The node that computes `id`, if it is `op` and `id` is used once; else refuses.
    const Node* step(ValueId id, std::string_view op, std::string_view what) {
        const NodeId node = rewriter_.producer(id, op);
        if (node < 0) {
            rewriter_.refuse(at_, fmt::format("{} is not computed by {}", what, op));
            return nullptr;
        }
        if (!rewriter_.require_single_use(at_, id)) return nullptr;
        matched_.push_back(node);
        return &graph_.node(node);
    }

    bool match_scores(ValueId masked) {
        const Node* add = step(masked, "add_mask", "the softmax's input");
        if (!add) return false;
        const NodeId mask = rewriter_.producer(add->inputs[1], "attention_mask");
        if (mask < 0) return rewriter_.refuse(at_, "the mask is not computed by attention_mask");
        mask_ = &graph_.node(mask);
        ValueId scaled = add->inputs[0];
        if (rewriter_.producer(scaled, "softcap") >= 0) {
            const Node* softcap = step(scaled, "softcap", "the masked score");
            if (!softcap) return false;
            attributes_.softcap = softcap->attributes.as<Softcap>().cap;
            scaled = softcap->inputs[0];
        }
        const Node* mul = step(scaled, "mul", "the masked score");
        if (!mul) return false;
        const ValueInfo& scale = graph_.value(mul->inputs[1]);
        if (scale.kind != ValueKind::constant || scale.type != TensorType{DType::f32, {1}})
            return rewriter_.refuse(at_, "the scale is not a single constant");
        std::memcpy(&attributes_.scale, scale.data.data(), sizeof attributes_.scale);
        const Node* scores = step(mul->inputs[0], "matmul", "the scaled score");
        if (!scores) return false;
        if (!scores->attributes.as<Matmul>().transpose_b) return rewriter_.refuse(at_, "the keys are not transposed");
        const Node* q = step(scores->inputs[0], "transpose", "the query");
        if (!q) return false;
        if (q->attributes.as<Transpose>().permutation != kHeadsFirst)
            return rewriter_.refuse(at_, "the query's heads are not put first");
        q_ = q->inputs[0];
        return match_cache(scores->inputs[1], "the keys", k_cache_);
    }

    /// repeat(transpose(kv_gather(cache))), without the repeat where every query head has its own.
    bool match_cache(ValueId id, const char* what, ValueId& cache) {
        if (rewriter_.producer(id, "repeat") >= 0) {
            const Node* repeat = step(id, "repeat", what);
            if (!repeat) return false;
            id = repeat->inputs[0];
        }
        const Node* transpose = step(id, "transpose", what);
        if (!transpose) return false;
        if (transpose->attributes.as<Transpose>().permutation != kHeadsFirst)
            return rewriter_.refuse(at_, fmt::format("{}' heads are not put first", what));
        const Node* gather = step(transpose->inputs[0], "kv_gather", what);
        if (!gather) return false;
        if (page_table_ >= 0 &&
            (gather->inputs[KvGather::kPageTable] != page_table_ || gather->inputs[KvGather::kLengths] != lengths_))
            return rewriter_.refuse(at_, "keys and values are gathered by different page tables");
        cache = gather->inputs[KvGather::kCache];
        page_table_ = gather->inputs[KvGather::kPageTable];
        lengths_ = gather->inputs[KvGather::kLengths];
        return true;
    }

    /// The only user of `id`, if it is `op`.
    const Node* user(ValueId id, std::string_view op) {
        if (!rewriter_.require_single_use(at_, id)) return nullptr;
        const auto users = rewriter_.users(id);
        if (users.empty() || graph_.node(users[0]).op->name != op) {
            rewriter_.refuse(at_, fmt::format("{} does not go into {}", graph_.value(id).path, op));
            return nullptr;
        }
        matched_.push_back(users[0]);
        return &graph_.node(users[0]);
    }

    bool match_output(ValueId weights) {
        const Node* attended = user(weights, "masked_matmul");
        if (!attended) return false;
        if (attended->inputs[0] != weights)
            return rewriter_.refuse(at_, "the weights are not the left side of the product with the values");
        if (rewriter_.producer(attended->inputs[2], "attention_mask") < 0 ||
            &graph_.node(graph_.value(attended->inputs[2]).producer) != mask_)
            return rewriter_.refuse(at_, "scores and values have different masks");
        if (!match_cache(attended->inputs[1], "the values", v_cache_)) return false;
        const Node* transpose = user(attended->outputs[0], "transpose");
        if (!transpose) return false;
        if (transpose->attributes.as<Transpose>().permutation != kHeadsFirst)
            return rewriter_.refuse(at_, "the output's tokens are not put first");
        const Node* reshape = user(transpose->outputs[0], "reshape");
        if (!reshape) return false;
        out_ = reshape->outputs[0];
        return true;
    }

    bool check_and_replace() {
        if (mask_->inputs[AttentionMask::kLengths] != lengths_)
            return rewriter_.refuse(at_, "the mask is made for other lengths");
        const TensorType &q = graph_.value(q_).type, &out = graph_.value(out_).type;
        if (out.rank() != 2 || out.dim(1) != Dim(q.dim(1).size * q.dim(2).size))
            return rewriter_.refuse(at_, "the heads are not laid side by side");
        if (graph_.value(k_cache_).type != graph_.value(v_cache_).type)
            return rewriter_.refuse(at_, "the caches of keys and values differ in type");
        attributes_.visibility = mask_->attributes.as<AttentionMask>().visibility;
        attributes_.keys = mask_->attributes.as<AttentionMask>().keys;
        Node node{&kAttention,
                  attributes_,
                  {q_, k_cache_, v_cache_, mask_->inputs[AttentionMask::kPositions],
                   mask_->inputs[AttentionMask::kSequences], page_table_, lengths_},
                  {out_},
                  graph_.node(softmax_).source,
                  {}};
        // Its decomposition would be the same ops again, in fp32.
        if (const std::string reason = context_.refuses(graph_, node); !reason.empty())
            return rewriter_.refuse(at_, reason);
        rewriter_.fired(out_, fmt::format("{} nodes become one op that reads the cache's pages one after the other",
                                          matched_.size()));
        rewriter_.replace(matched_, std::move(node));
        return true;
    }

    Rewriter& rewriter_;
    const PassContext& context_;
    const Graph& graph_;
    NodeId softmax_;
    ValueId at_ = -1, q_ = -1, k_cache_ = -1, v_cache_ = -1, page_table_ = -1, lengths_ = -1, out_ = -1;
    const Node* mask_ = nullptr;
    Attention attributes_;
    std::vector<NodeId> matched_;
};

}  // namespace

bool fuse_attention(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "fuse_attention");
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        if (graph.nodes[n].op == &kSoftmax) Match(rewriter, context, static_cast<NodeId>(n)).fuse();
    return rewriter.finish();
}

}  // namespace vitro
