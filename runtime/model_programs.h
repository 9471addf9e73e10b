// A model's programs with all their memory: weights, KV cache, arena, inputs and results.
#pragma once

#include "frontend/checkpoint.h"
#include "graph/executor.h"
#include "runtime/model_options.h"
#include "runtime/page_pool.h"
#include "runtime/step_inputs.h"
#include "runtime/step_results.h"
#include "runtime/weights.h"

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace vitro {

class ModelPrograms {
public:
    /// A program that is ready to run.
    struct Runner {
        Runner(Program compiled, const ModelPrograms& model);
        Program program;
        std::vector<Buffer> io;  // by device
        Executor executor;
        InputBinding inputs;
        ResultBinding results;
    };

    /// Compiles and loads. `options` must come from completed(). MemoryError when a device has not enough memory.
    ModelPrograms(const std::filesystem::path& directory, const ModelConfig& config, std::vector<Target> targets,
                  const LanguageModelOptions& options);

    Runner& runner(Phase phase) { return phase == Phase::prefill ? *prefill_ : *decode_; }
    const Runner& runner(Phase phase) const { return phase == Phase::prefill ? *prefill_ : *decode_; }

    const Checkpoint& checkpoint() const { return checkpoint_; }
    std::span<const Target> targets() const { return targets_; }

    /// Copies the content of pages of the KV cache, in all layers.
    void copy_pages(std::span<const PagePool::Copy> copies);

private:
    void check_memory(std::span<const Program* const> programs) const;

    std::vector<Target> targets_;
    Checkpoint checkpoint_;
    Weights weights_;
    std::vector<Buffer> states_, arena_;  // by device; both programs share them
    std::unique_ptr<Runner> prefill_, decode_;
};

}  // namespace vitro
