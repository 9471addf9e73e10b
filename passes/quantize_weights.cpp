// x·Wᵀ -> linear(x, fp8(W), weight_scale = scales(W))
//
// Each row of W is divided by a scale of its own that brings its largest magnitude to 448, and rounded to f8e4m3. Half
// the bytes of bf16 move; a weight is off by up to 1/16 of itself. Everything else stays as it was.
#include "passes/linear_layer.h"

namespace vitro {
namespace {

bool quantize(Rewriter& rewriter, const PassContext& context, ValueId out) {
    auto layer = linear_layer_of(rewriter, out);
    if (!layer && rewriter.producer(out, "matmul") >= 0) return rewriter.refuse(out, "no product with a weight");
    if (!layer || layer->weight_scale != kAbsent) return false;
    const ValueInfo weight = rewriter.value(layer->weight);
    if (weight.kind != ValueKind::weight) return rewriter.refuse(out, "no product with a weight");
    const TensorType rows{DType::f8e4m3, weight.type.shape}, scales{DType::f32, {weight.type.dim(0)}};
    std::vector<TensorType> inputs = types_of(rewriter.graph(), linear_node(*layer, out).inputs);
    inputs[Linear::kWeight] = rows;
    inputs[Linear::kWeightScale] = scales;
    if (!context.takes(kLinear, inputs, std::vector{rewriter.value(out).type}, layer->linear))
        return rewriter.refuse(out, "the device has no kernel for rows of fp8");
    layer->weight_scale =
        rewriter.reformed_weight(weight.path + ".fp8_scales", layer->weight, WeightForm::fp8_scales, scales);
    layer->weight = rewriter.reformed_weight(weight.path + ".fp8", layer->weight, WeightForm::fp8_rows, rows);
    rewriter.fired(out, fmt::format("{} in fp8", weight.path));
    replace_by(rewriter, *layer, out);
    return true;
}

}  // namespace

bool quantize_weights(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "quantize_weights");
    for (std::size_t n = graph.nodes.size(); n-- > 0;)  // from the end: a bias is met before its matmul
        quantize(rewriter, context, graph.nodes[n].outputs[0]);
    return rewriter.finish();
}

}  // namespace vitro
