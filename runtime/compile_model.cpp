#include "runtime/compile_model.h"

#include "frontend/check_weights.h"
#include "graph/check_plan.h"
#include "passes/passes.h"

#include <chrono>

namespace vitro {

Graph naive_graph(const ModelConfig& config, Phase phase, const LanguageModelOptions& options,
                  const Checkpoint* checkpoint) {
    const BuildOptions built = build_options(options, phase, nullptr);
    return checkpoint == nullptr ? build_model(config, built) : checked_graph(config, built, *checkpoint);
}

CompiledModel compile_model(const ModelConfig& config, const std::vector<Phase>& phases,
                            const LanguageModelOptions& options, std::span<const Target> targets,
                            const Checkpoint* checkpoint) {
    Graph graph = naive_graph(config, phases.front(), options, checkpoint);
    CompiledModel out;
    out.report = optimize(graph, targets, options.passes);
    for (const Phase phase : phases) {
        Graph own = phase == phases.back() ? std::move(graph) : graph;
        own.bounds = build_options(options, phase, nullptr).bounds();
        Program& program = out.programs.emplace_back(compile(std::move(own), targets));
        if (!options.verify_plan) continue;
        const auto start = std::chrono::steady_clock::now();
        require_sound(program);
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
        program.stages.push_back({"verify_plan", taken.count()});
    }
    return out;
}

}  // namespace vitro
