// The way from a model's configuration to a program that can run: build, optimize, compile, verify.
#pragma once

#include "frontend/checkpoint.h"
#include "graph/program.h"
#include "runtime/model_options.h"

#include <span>

namespace vitro {

/// The naive graph of a phase, as the model's code writes it; `options` must come from completed(). The weights' dtypes
/// come from `checkpoint`, whose tensors must be those of the graph (check_weights), or, if it is null, from
/// config.json.
Graph naive_graph(const ModelConfig& config, Phase phase, const LanguageModelOptions& options,
                  const Checkpoint* checkpoint);

/// A phase's program, and what the passes did on the way to it.
struct CompiledModel {
    Program program;
    PipelineReport report;
};

/// Compiles a phase for `targets` (as compile() takes them), from the naive graph to a program. If options.verify_plan
/// is set, the program's memory plan is checked.
CompiledModel compile_model(const ModelConfig& config, Phase phase, const LanguageModelOptions& options,
                            std::span<const Target> targets, const Checkpoint* checkpoint);

}  // namespace vitro
