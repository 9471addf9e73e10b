// x·Wᵀ -> linear(x, rows, weight_scale = scales); rows, scales = quantize_rows(W)
//
// Each row of W is divided by a scale of its own that brings its largest magnitude to 448, and rounded to f8e4m3. Half
// the bytes of bf16 move; a weight is off by up to 1/16 of itself. Everything else stays as it was. Rows of a W that
// was joined from others are rounded before they are joined: quantize_rows(concat(A, B)) is concat(quantize_rows(A),
// quantize_rows(B)), so that each part goes to its place without a copy of the whole. Of a W in blocks the numbers that
// they stand for are rounded.
#include "ops/concat/concat.h"
#include "ops/dequantize/dequantize.h"
#include "ops/quantize_rows/quantize_rows.h"
#include "passes/linear_layer.h"

#include <map>
#include <tuple>

namespace vitro {
namespace {

class Quantizer {
public:
    Quantizer(Graph& graph, PassContext& context)
        : rewriter_(graph, context.journal, "quantize_weights"), context_(context) {}

    bool run() {
        for (std::size_t n = rewriter_.graph().nodes.size(); n-- > 0;)  // a bias is met before its matmul
            quantize(rewriter_.graph().nodes[n].outputs[0]);
        return rewriter_.finish();
    }

private:
    bool quantize(ValueId out) {
        auto layer = linear_layer_of(rewriter_, out);
        if (!layer && rewriter_.producer(out, "matmul") >= 0)
            return rewriter_.refuse(out, "it is not a product with a weight");
        if (!layer || layer->weight_scale != kAbsent) return false;
        if (!rewriter_.is_weight(layer->weight)) return rewriter_.refuse(out, "it is not a product with a weight");
        const TensorType weight = rewriter_.value(layer->weight).type;
        std::vector<TensorType> inputs = types_of(rewriter_.graph(), linear_node(*layer, out).inputs);
        inputs[Linear::kWeight] = rows_type(weight);
        inputs[Linear::kWeightScale] = scales_type(weight);
        if (!context_.takes(kLinear, inputs, std::vector{rewriter_.value(out).type}, layer->linear))
            return rewriter_.refuse(out, "the device has no kernel for rows of fp8");
        rewriter_.fired(out, fmt::format("{} in fp8", rewriter_.value(layer->weight).path));
        std::tie(layer->weight, layer->weight_scale) = quantized(layer->weight, layer->matched[0]);
        replace_by(rewriter_, *layer, out);
        return true;
    }

    static TensorType rows_type(const TensorType& weight) { return {DType::f8e4m3, weight.shape}; }
    static TensorType scales_type(const TensorType& weight) { return {DType::f32, {weight.dim(0)}}; }

    /// Rows and scales of a weight, computed in front of a node, or those there are already.
    std::pair<ValueId, ValueId> quantized(ValueId weight, NodeId before) {
        if (const auto known = quantized_.find(weight); known != quantized_.end()) return known->second;
        const ValueInfo info = rewriter_.value(weight);
        std::vector<ValueId> rows, scales;
        const NodeId joins = rewriter_.producer(weight, "concat");
        if (joins >= 0 && kConcat.joins_inputs(types_of(rewriter_.graph(), rewriter_.graph().node(joins).inputs),
                                               rewriter_.graph().node(joins).attributes))
            for (const ValueId part : std::vector(rewriter_.graph().node(joins).inputs)) {
                const auto [part_rows, part_scales] = quantized(part, before);
                rows.push_back(part_rows);
                scales.push_back(part_scales);
            }
        const ValueId all_rows = rewriter_.new_value(info.path + ".fp8", rows_type(info.type)),
                      all_scales = rewriter_.new_value(info.path + ".fp8_scales", scales_type(info.type));
        if (rows.empty()) {
            ValueId numbers = weight;
            if (is_block_quantized(info.type.dtype)) {
                numbers = rewriter_.new_value(info.path + ".f32", TensorType{DType::f32, info.type.shape});
                rewriter_.insert({&kDequantize, {}, {weight}, {numbers}, {}, {}}, before);
            }
            rewriter_.insert({&kQuantizeRows, {}, {numbers}, {all_rows, all_scales}, {}, {}}, before);
        } else {
            rewriter_.insert({&kConcat, Concat{0}, rows, {all_rows}, {}, {}}, before);
            rewriter_.insert({&kConcat, Concat{0}, scales, {all_scales}, {}, {}}, before);
        }
        return quantized_[weight] = {all_rows, all_scales};
    }

    Rewriter rewriter_;
    PassContext& context_;
    std::map<ValueId, std::pair<ValueId, ValueId>> quantized_;
};

}  // namespace

bool quantize_weights(Graph& graph, PassContext& context) { return Quantizer(graph, context).run(); }

}  // namespace vitro
