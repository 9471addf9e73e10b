#include "runtime/compile_model.h"

#include "graph/check_plan.h"
#include "passes/passes.h"
#include "runtime/check_weights.h"

#include <chrono>

namespace vitro {

Graph naive_graph(const ModelConfig& config, Phase phase, const LanguageModelOptions& options,
                  const Checkpoint* checkpoint) {
    std::function<DType(std::string_view)> dtype;
    if (checkpoint != nullptr) dtype = [&](std::string_view name) { return weight_dtype(*checkpoint, name); };
    Graph graph = build_model(config, build_options(options, phase, dtype));
    if (checkpoint == nullptr) return graph;
    const Architecture& architecture = *named_architecture(config.architecture)->architecture;
    check_weights(*checkpoint, graph, architecture.spare_tensors);
    if (config.tie_word_embeddings && config.head == Head::language_model)
        check_tied_head(*checkpoint, architecture.table, architecture.head);
    return graph;
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
