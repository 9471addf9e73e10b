// linear(x, W) -> linear(quantize_activations(x), W), for W of blocks, where the device multiplies integers
// linear(x, W) -> linear(cast(x, bf16), W), for W of bf16, where the device multiplies bf16
//
// Activations are rounded once for all that read them: to 8 bits, each block of neighbours with a scale of its own, or
// to bf16. A kernel says which it wants (KernelDef::prefers). A product is off by less than a thousandth of its square;
// --exact leaves this pass out.
#include "ops/quantize_activations/quantize_activations.h"

#include "ops/cast/cast.h"
#include "passes/linear_layer.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace vitro {
namespace {

class Rounder {
public:
    Rounder(Graph& graph, PassContext& context)
        : rewriter_(graph, context.journal, "quantize_activations"), context_(context) {}

    bool run() {
        const std::vector<Node>& nodes = rewriter_.graph().nodes;
        std::vector<ValueId> layers;
        std::set<NodeId> matched;
        for (NodeId n = static_cast<NodeId>(nodes.size()); n-- > 0;) {  // a bias is met before its matmul
            if (matched.contains(n)) continue;
            const auto layer = linear_layer_of(rewriter_, nodes[static_cast<std::size_t>(n)].outputs[0]);
            if (!layer) continue;
            matched.insert(layer->matched.begin(), layer->matched.end());
            layers.push_back(nodes[static_cast<std::size_t>(n)].outputs[0]);
        }
        for (std::size_t i = layers.size(); i-- > 0;) round(layers[i]);
        return rewriter_.finish();
    }

private:
    bool round(ValueId out) {
        const Graph& graph = rewriter_.graph();
        auto layer = linear_layer_of(rewriter_, out);
        if (!layer) return false;
        const DType x = graph.value(layer->x).type.dtype;
        if (!is_float(x) || layer->linear.x_rounded) return false;
        const DType to = context_.preferred(graph, linear_node(*layer, out), Linear::kX);
        const bool rounds = is_rounded(to) || (is_float(to) && info(to).block_bytes < info(x).block_bytes);
        if (!rounds && !is_block_quantized(graph.value(layer->weight).type.dtype)) return false;
        if (layer->norm_weight != kAbsent) return rewriter_.refuse(out, "x is normed in the matmul");
        if (!rounds) return rewriter_.refuse(out, "the device has no kernel for rounded activations");
        rewriter_.fired(
            out, fmt::format("{} rounded to {}", graph.value(layer->x).path, is_rounded(to) ? "8 bits" : name(to)));
        layer->linear.dtype = x;
        layer->linear.x_rounded = is_float(to);
        layer->x = rounded(layer->x, to);
        replace_by(rewriter_, *layer, out);
        return true;
    }

    /// x rounded, once for all that read it.
    ValueId rounded(ValueId x, DType to) {
        const auto [at, is_new] = rounded_.try_emplace({x, to}, kAbsent);
        if (!is_new) return at->second;
        const ValueInfo& info = rewriter_.value(x);
        at->second = rewriter_.new_value(fmt::format("{}.{}", info.path, name(to)), TensorType{to, info.type.shape});
        const NodeId before = *std::ranges::min_element(rewriter_.users(x));
        const bool casts = is_float(to);
        rewriter_.insert({casts ? &kCast : &kQuantizeActivations,
                          casts ? Attributes(Cast{to}) : Attributes{},
                          {x},
                          {at->second},
                          {},
                          {}},
                         before);
        return at->second;
    }

    Rewriter rewriter_;
    PassContext& context_;
    std::map<std::pair<ValueId, DType>, ValueId> rounded_;
};

}  // namespace

bool quantize_activations(Graph& graph, PassContext& context) { return Rounder(graph, context).run(); }

}  // namespace vitro
