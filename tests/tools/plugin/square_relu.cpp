// An example of a plugin: the op square_relu, relu(x)² (So et al. 2021), a kernel for it, and the pass that finds it.
#include "backends/cpu/simd.h"
#include "ops/common/activations_cpu.h"
#include "ops/common/elementwise.h"
#include "ops/common/elementwise_cpu.h"
#include "ops/mul/mul.h"
#include "ops/relu/relu.h"
#include "passes/plugin.h"

namespace vitro {
namespace {

void reference(const Call& call) {
    elementwise_reference(call, [](double x) { return x < 0 ? 0.0 : x * x; });
}

std::vector<Value> decompose(Builder& b, std::span<const Value> inputs, const Attributes&) {
    const Value y = relu(b, inputs[0]);
    return {mul(b, y, y)};
}

simd::Floats square_relu_lanes(simd::Floats x) {
    const simd::Floats y = relu_lanes(x);
    return y * y;
}

const OpDef kSquareRelu{
    .name = "square_relu",
    .doc = "out = relu(x) * relu(x), elementwise.",
    .inputs = {"x"},
    .infer = infer_elementwise,
    .reference = reference,
    .cost = [](const Call& call) { return elementwise_cost(call, 2); },
    .examples = elementwise_examples,
    .in_place = 0,
    .decompose = decompose,
};

const KernelDef kSquareReluCpu{.op = "square_relu", .run = elementwise_cpu<square_relu_lanes>};

/// relu(x) * relu(x) -> square_relu(x)
bool fuse_square_relu(Graph& graph, PassContext& context) {
    Rewriter rewriter(graph, context.journal, "fuse_square_relu");
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& mul = graph.nodes[n];
        if (mul.op->name != "mul" || mul.inputs[0] != mul.inputs[1]) continue;
        const ValueId out = mul.outputs[0], y = mul.inputs[0];
        const NodeId relu = rewriter.producer(y, "relu");
        if (relu < 0 || rewriter.uses(y) != 2) {
            rewriter.refuse(out, "what is squared is not a relu that is used only here");
            continue;
        }
        rewriter.fired(out, "squared in the relu");
        const NodeId matched[] = {relu, static_cast<NodeId>(n)};
        rewriter.replace(matched, {&kSquareRelu, {}, {graph.node(relu).inputs[0]}, {out}, {}, {}});
    }
    return rewriter.finish();
}

}  // namespace
}  // namespace vitro

extern "C" const vitro::PluginVersion vitro_plugin_version{};
extern "C" const vitro::Plugin& vitro_plugin() {
    static const vitro::Plugin plugin{
        .name = "square_relu",
        .ops = {&vitro::kSquareRelu},
        .cpu_kernels = {vitro::kSquareReluCpu},
        .passes = {{{"fuse_square_relu", "relu(x) * relu(x) -> square_relu(x)", vitro::fuse_square_relu},
                    "fuse_gated_ffn"}},
    };
    return plugin;
}
