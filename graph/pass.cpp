#include "graph/pass.h"

#include "graph/verify.h"

#include <algorithm>
#include <chrono>

namespace vitro {
namespace {

void check_names(std::span<const Pass> passes, const std::set<std::string, std::less<>>& names) {
    for (const std::string& name : names) {
        if (std::any_of(passes.begin(), passes.end(), [&](const Pass& pass) { return pass.name == name; })) continue;
        std::string known;
        for (const Pass& pass : passes) known += fmt::format("{}{}", known.empty() ? "" : ", ", pass.name);
        fail("no pass is called '{}'; there are {}", name, known);
    }
}

/// Why no kernel of the device takes a node of these types, or empty.
std::string kernel_refusal(const Target& device, const OpDef& op, std::span<const TensorType> inputs,
                           std::span<const TensorType> outputs, const Attributes& attributes) {
    std::string reasons;
    for (const KernelDef& kernel : device.kernels) {
        if (kernel.op != op.name) continue;
        const std::string reason = kernel.refuses ? kernel.refuses(inputs, outputs, attributes) : "";
        if (reason.empty()) return {};
        reasons += (reasons.empty() ? "" : "; ") + reason;
    }
    if (reasons.empty()) return fmt::format("{} has no kernel for {}", device.backend.name(), op.name);
    return fmt::format("no kernel of {} takes {}: {}", device.backend.name(), op.name, reasons);
}

}  // namespace

std::string PassContext::refuses(const Graph& graph, const Node& node) const {
    const Target& device = targets.front();
    return kernel_refusal(device, *node.op, types_of(graph, node.inputs), types_of(graph, node.outputs),
                          node.attributes);
}

bool PassContext::takes(const OpDef& op, std::span<const TensorType> inputs, std::span<const TensorType> outputs,
                        const Attributes& attributes) const {
    return kernel_refusal(targets.front(), op, inputs, outputs, attributes).empty();
}

DType PassContext::preferred(const Graph& graph, const Node& node, std::size_t input) const {
    const std::vector<TensorType> inputs = types_of(graph, node.inputs), outputs = types_of(graph, node.outputs);
    for (const KernelDef& kernel : targets.front().kernels) {
        if (kernel.op != node.op->name || kernel.prefers == nullptr) continue;
        if (kernel.refuses != nullptr && !kernel.refuses(inputs, outputs, node.attributes).empty()) continue;
        return kernel.prefers(input, inputs, node.attributes);
    }
    return inputs[input].dtype;
}

PipelineReport run_passes(Graph& graph, std::span<const Pass> passes, std::span<const Target> targets,
                          const PipelineOptions& options) {
    using Clock = std::chrono::steady_clock;
    check_names(passes, options.disabled);
    check_names(passes, options.enabled);
    PipelineReport report;
    PassContext context{report.journal, targets, options.block_type};
    if (options.after) options.after(nullptr, graph, true);
    for (const Pass& pass : passes) {
        const bool is_left_out = pass.optional || (options.exact && pass.changes_numbers);
        if (options.disabled.contains(pass.name) || (is_left_out && !options.enabled.contains(pass.name))) continue;
        const auto start = Clock::now();
        const bool changed = pass.run(graph, context);
        const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
        const auto verifying = Clock::now();
        if (changed) verify(graph);
        report.verify_seconds += std::chrono::duration<double>(Clock::now() - verifying).count();
        report.passes.push_back({pass.name, changed, seconds, graph.nodes.size()});
        if (options.after) options.after(&pass, graph, changed);
    }
    return report;
}

}  // namespace vitro
