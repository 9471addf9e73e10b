// The way from a model's configuration to a program that can run: build, optimize, compile, verify.
#pragma once

#include "frontend/checkpoint.h"
#include "graph/program.h"
#include "runtime/model_options.h"

#include <span>
#include <vector>

namespace vitro {

/// The naive graph of a phase, as the model's code writes it; `options` must come from completed(). The weights' dtypes
/// come from `checkpoint`, whose tensors must be those of the graph (check_weights), or, if it is null, from
/// config.json.
Graph naive_graph(const ModelConfig& config, Phase phase, const LanguageModelOptions& options,
                  const Checkpoint* checkpoint);

/// The programs of phases, in their order, and what the passes did on the way to them.
struct CompiledModel {
    std::vector<Program> programs;
    PipelineReport report;
};

/// Compiles phases, of several prefill first, for `targets` (as compile() takes them), from the naive graph to
/// programs. Graph and passes are the first phase's: the others differ in the bounds of symbols alone
/// (BuildOptions::bounds), which no pass looks at. If options.verify_plan is set, the programs' memory plans are
/// checked.
CompiledModel compile_model(const ModelConfig& config, const std::vector<Phase>& phases,
                            const LanguageModelOptions& options, std::span<const Target> targets,
                            const Checkpoint* checkpoint);

}  // namespace vitro
