// linear(x, W) -> linear(quantize_activations(x), W), for W of blocks, where the device multiplies integers
//
// Activations are rounded to 8 bits, each block of neighbours with a scale of its own, once for all that read them. A
// product is off by less than a thousandth of its square; --exact leaves this pass out.
#include "ops/quantize_activations/quantize_activations.h"
#include "passes/linear_layer.h"

#include <algorithm>
#include <map>

namespace vitro {
namespace {

class Rounder {
public:
    Rounder(Graph& graph, PassContext& context)
        : rewriter_(graph, context.journal, "quantize_activations"), context_(context) {}

    bool run() {
        for (std::size_t n = rewriter_.graph().nodes.size(); n-- > 0;)  // a bias is met before its matmul
            round(rewriter_.graph().nodes[n].outputs[0]);
        return rewriter_.finish();
    }

private:
    bool round(ValueId out) {
        const Graph& graph = rewriter_.graph();
        auto layer = linear_layer_of(rewriter_, out);
        if (!layer || !is_block_quantized(graph.value(layer->weight).type.dtype)) return false;
        const TensorType x = graph.value(layer->x).type;
        if (!is_float(x.dtype)) return false;
        if (layer->norm_weight != kAbsent) return rewriter_.refuse(out, "x is normed in the matmul");
        if (context_.preferred(graph, linear_node(*layer, out), Linear::kX) != DType::q8_32)
            return rewriter_.refuse(out, "the device has no kernel for rounded activations");
        rewriter_.fired(out, fmt::format("{} rounded to 8 bits", graph.value(layer->x).path));
        layer->linear.dtype = x.dtype;
        layer->x = rounded(layer->x);
        replace_by(rewriter_, *layer, out);
        return true;
    }

    /// x rounded, once for all that read it.
    ValueId rounded(ValueId x) {
        const auto [at, is_new] = rounded_.try_emplace(x, kAbsent);
        if (!is_new) return at->second;
        const ValueInfo& info = rewriter_.value(x);
        at->second = rewriter_.new_value(info.path + ".q8_32", TensorType{DType::q8_32, info.type.shape});
        const NodeId before = *std::ranges::min_element(rewriter_.users(x));
        rewriter_.insert({&kQuantizeActivations, {}, {x}, {at->second}, {}, {}}, before);
        return at->second;
    }

    Rewriter rewriter_;
    PassContext& context_;
    std::map<ValueId, ValueId> rounded_;
};

}  // namespace

bool quantize_activations(Graph& graph, PassContext& context) { return Rounder(graph, context).run(); }

}  // namespace vitro
