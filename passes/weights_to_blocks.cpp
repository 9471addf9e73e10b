// x·Wᵀ -> x·dequantize(quantize(W))ᵀ, W[tokens] -> dequantize(quantize(W))[tokens]
//
// What is quantized and what is read back stand side by side, so that all that follows is as for a file whose weights
// are blocks: keep_blocks takes dequantize away. Rows that are no whole blocks of the type become q8_0, if that fits.
#include "base/quantize.h"
#include "ops/dequantize/dequantize.h"
#include "ops/embed/embed.h"
#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "ops/quantize/quantize.h"
#include "passes/passes.h"

#include <map>

namespace vitro {
namespace {

class Quantizer {
public:
    Quantizer(Graph& graph, PassContext& context)
        : rewriter_(graph, context.journal, "weights_to_blocks"), context_(context) {}

    bool run() {
        for (const Node& node : rewriter_.graph().nodes) visit(node);
        return rewriter_.finish();
    }

private:
    bool visit(const Node& node) {
        const Graph& graph = rewriter_.graph();
        const bool is_product = node.op == &kMatmul && node.attributes.as<Matmul>().transpose_b;
        if (!is_product && node.op != &kEmbed) return false;
        const ValueId weight = node.inputs[1], out = node.outputs[0];
        if (!rewriter_.is_weight(weight) || graph.value(weight).type.rank() != 2)
            return rewriter_.refuse(out, "it does not read a weight matrix");
        const auto type = type_of(graph.value(weight).type);
        if (!type)
            return rewriter_.refuse(
                out, fmt::format("{}: the rows are not multiples of a block", to_string(graph.value(weight).type)));
        const DType x = graph.value(out).type.dtype;
        if (!context_.takes(kLinear, linear_inputs(x, *type), std::vector<TensorType>{{x, {1, type->dim(0)}}},
                            Linear{}))
            return rewriter_.refuse(out, fmt::format("the device has no kernel for {}", name(type->dtype)));
        rewriter_.fired(out, fmt::format("{} in {}", graph.value(weight).path, name(type->dtype)));
        Node copy = node;
        copy.inputs[1] = quantized(weight, *type, graph.value(out).producer);
        const NodeId self[] = {graph.value(out).producer};
        rewriter_.replace(self, std::move(copy));
        return true;
    }

    /// What a weight of this type becomes.
    std::optional<TensorType> type_of(const TensorType& weight) const {
        for (const DType dtype : {context_.block_type, DType::q8_0})
            if (weight.dim(1).size % block_columns(dtype) == 0) return TensorType{dtype, weight.shape};
        return std::nullopt;
    }

    static std::vector<TensorType> linear_inputs(DType x, const TensorType& weight) {
        std::vector<TensorType> inputs(kLinear.inputs.size(), TensorType::none());
        inputs[Linear::kX] = {x, {1, weight.dim(1)}};
        inputs[Linear::kWeight] = weight;
        return inputs;
    }

    ValueId quantized(ValueId weight, const TensorType& type, NodeId before) {
        const auto [at, is_new] = quantized_.try_emplace(weight, kAbsent);
        if (!is_new) return at->second;
        const std::string path = rewriter_.value(weight).path;
        const ValueId blocks = rewriter_.new_value(fmt::format("{}.{}", path, name(type.dtype)), type);
        at->second = rewriter_.new_value(path + ".dequantized", TensorType{DType::f32, type.shape});
        rewriter_.insert({&kQuantize, Quantize{type.dtype}, {weight}, {blocks}, {}, {}}, before);
        rewriter_.insert({&kDequantize, {}, {blocks}, {at->second}, {}, {}}, before);
        return at->second;
    }

    Rewriter rewriter_;
    PassContext& context_;
    std::map<ValueId, ValueId> quantized_;
};

}  // namespace

bool weights_to_blocks(Graph& graph, PassContext& context) { return Quantizer(graph, context).run(); }

}  // namespace vitro
