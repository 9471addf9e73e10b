// linear(x, W) -> linear(x, pack(W)), where the device's kernel reads W packed
//
// A matmul becomes a linear so. A kernel says in which order it wants the blocks of a weight (KernelDef::prefers); they
// are put so when the model is loaded. Parts that are joined are packed before that, so that each goes from its file to
// its place.
#include "ops/concat/concat.h"
#include "ops/matmul/matmul.h"
#include "ops/pack/pack.h"
#include "passes/linear_layer.h"

#include <algorithm>
#include <map>

namespace vitro {
namespace {

class Packer {
public:
    Packer(Graph& graph, PassContext& context) : rewriter_(graph, context.journal, "pack_weights"), context_(context) {}

    bool run() {
        for (std::size_t n = 0; n < rewriter_.graph().nodes.size(); ++n) {
            const Node& node = rewriter_.graph().nodes[n];
            if (node.op != &kLinear && node.op != &kMatmul) continue;
            if (const auto layer = linear_layer_of(rewriter_, node.outputs[0]))
                pack(linear_node(*layer, node.outputs[0]));
        }
        return rewriter_.finish();
    }

private:
    bool pack(const Node& linear) {
        const Graph& graph = rewriter_.graph();
        const ValueId out = linear.outputs[0], weight = linear.inputs[Linear::kWeight];
        const TensorType from = graph.value(weight).type;
        const DType dtype = context_.preferred(graph, linear, Linear::kWeight);
        if (dtype == from.dtype) return false;
        if (!rewriter_.is_weight(weight)) return rewriter_.refuse(out, "it is not a product with a weight");
        if (const std::string reason = misfit(weight, dtype); !reason.empty()) return rewriter_.refuse(out, reason);
        std::vector<TensorType> inputs = types_of(graph, linear.inputs);
        inputs[Linear::kWeight].dtype = dtype;
        if (!context_.takes(kLinear, inputs, types_of(graph, linear.outputs), linear.attributes))
            return rewriter_.refuse(out, fmt::format("the kernel does not take all of it with {}", name(dtype)));
        rewriter_.fired(out, fmt::format("{} packed as {}", graph.value(weight).path, name(dtype)));
        const NodeId self[] = {graph.value(out).producer};
        Node node = linear;
        node.inputs[Linear::kWeight] = packed(weight, dtype, self[0]);
        rewriter_.replace(self, std::move(node));
        return true;
    }

    /// The values that are joined to a weight, or the weight itself.
    std::vector<ValueId> parts(ValueId weight) const {
        const Graph& graph = rewriter_.graph();
        const NodeId joins = rewriter_.producer(weight, "concat");
        if (joins < 0 || !kConcat.joins_inputs(types_of(graph, graph.node(joins).inputs), graph.node(joins).attributes))
            return {weight};
        return graph.node(joins).inputs;
    }

    /// Why a weight cannot be packed so, or empty.
    std::string misfit(ValueId weight, DType dtype) const {
        const std::int64_t rows = info(dtype).block_rows, columns = block_columns(dtype);
        for (const ValueId part : parts(weight)) {
            const ValueInfo& value = rewriter_.value(part);
            if (value.type.dim(0).size % rows != 0)
                return fmt::format("{} has {} rows, no multiple of {}", value.path, to_string(value.type.dim(0)), rows);
            if (value.type.dim(1).size % columns != 0)
                return fmt::format("{} has {} columns, no multiple of {}", value.path, to_string(value.type.dim(1)),
                                   columns);
        }
        return {};
    }

    /// A weight packed, in front of a node, or as it is already.
    ValueId packed(ValueId weight, DType dtype, NodeId before) {
        if (const auto known = packed_.find({weight, dtype}); known != packed_.end()) return known->second;
        const std::vector<ValueId> from = parts(weight);
        std::vector<ValueId> done;
        if (from.size() > 1)
            for (const ValueId part : from) done.push_back(packed(part, dtype, before));
        const ValueInfo info = rewriter_.value(weight);
        const ValueId out =
            rewriter_.new_value(fmt::format("{}.{}", info.path, name(dtype)), TensorType{dtype, info.type.shape});
        if (done.empty())
            rewriter_.insert({&kPack, Pack{dtype}, {weight}, {out}, {}, {}}, before);
        else
            rewriter_.insert({&kConcat, Concat{0}, done, {out}, {}, {}}, before);
        return packed_[{weight, dtype}] = out;
    }

    Rewriter rewriter_;
    PassContext& context_;
    std::map<std::pair<ValueId, DType>, ValueId> packed_;
};

}  // namespace

bool pack_weights(Graph& graph, PassContext& context) { return Packer(graph, context).run(); }

}  // namespace vitro
