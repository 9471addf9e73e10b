// x·dequantize(W)ᵀ -> x·Wᵀ, dequantize(W)[tokens] -> W[tokens], where the device has kernels that read blocks
//
// Blocks of 2 to 8 bits a number move through memory in place of 32, and mean the same numbers.
#include "ops/embed/embed.h"
#include "ops/expert_linear/expert_linear.h"
#include "ops/linear/linear.h"
#include "ops/matmul/matmul.h"
#include "passes/passes.h"

#include <algorithm>

namespace vitro {
namespace {

/// The node's input that reads a whole weight: of a matmul with rows of weights, an expert_linear, or an embed.
std::optional<std::size_t> weight_input(const Graph& graph, const Node& node) {
    if (node.op == &kEmbed) return 1;
    if (node.op == &kExpertLinear) return ExpertLinear::kWeight;
    const bool by_rows = node.op == &kMatmul && node.attributes.as<Matmul>().transpose_b;
    return by_rows && graph.value(node.inputs[1]).type.rank() == 2 ? std::optional<std::size_t>(1) : std::nullopt;
}

/// Why the device cannot run a node that reads blocks, or empty. What becomes of a matmul is a linear, so that has to
/// have a kernel.
std::string refusal(const PassContext& context, const Graph& graph, const Node& node) {
    if (node.op != &kMatmul) return context.refuses(graph, node);
    Node linear = node;
    linear.op = &kLinear;
    linear.attributes = Linear{};
    linear.inputs.resize(kLinear.inputs.size(), kAbsent);
    return context.refuses(graph, linear);
}

bool keep(Rewriter& rewriter, const PassContext& context, const Node& node) {
    const Graph& graph = rewriter.graph();
    const auto at = weight_input(graph, node);
    const NodeId dequantize = at ? rewriter.producer(node.inputs[*at], "dequantize") : -1;
    if (dequantize < 0) return false;
    const ValueId out = node.outputs[0], blocks = graph.node(dequantize).inputs[0];
    if (!rewriter.is_weight(blocks)) return rewriter.refuse(out, "what is dequantized is not a weight");
    Node kept = node;
    kept.inputs[*at] = blocks;
    if (const std::string reason = refusal(context, graph, kept); !reason.empty()) return rewriter.refuse(out, reason);
    rewriter.fired(out, fmt::format("reads {} of {}", name(graph.value(blocks).type.dtype), graph.value(blocks).path));
    const NodeId self[] = {graph.value(out).producer};
    rewriter.replace(self, std::move(kept));
    return true;
}

}  // namespace

bool keep_blocks(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "keep_blocks");
    for (const Node& node : graph.nodes) keep(rewriter, context, node);
    return rewriter.finish();
}

}  // namespace vitro
