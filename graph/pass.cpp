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

}  // namespace

PipelineReport run_passes(Graph& graph, std::span<const Pass> passes, Backend& host, const PipelineOptions& options) {
    using Clock = std::chrono::steady_clock;
    check_names(passes, options.disabled);
    PipelineReport report;
    PassContext context{report.journal, host};
    if (options.after) options.after(nullptr, graph);
    for (const Pass& pass : passes) {
        if (options.disabled.contains(pass.name)) continue;
        const auto start = Clock::now();
        const bool changed = pass.run(graph, context);
        const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
        if (changed) verify(graph);
        report.passes.push_back({pass.name, changed, seconds, graph.nodes.size()});
        if (options.after) options.after(&pass, graph);
    }
    return report;
}

}  // namespace vitro
