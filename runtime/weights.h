// The weights of a model on its devices, from its checkpoint: mapped where the backend reads host memory and nothing
// is to be made of them, else what the load program makes.
#pragma once

#include "frontend/checkpoint.h"
#include "graph/prepared_weights.h"

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace vitro {

class Weights {
public:
    /// All must outlive it. `targets` as the programs are compiled for.
    Weights(Checkpoint& checkpoint, std::span<const Target> targets) : checkpoint_(checkpoint), targets_(targets) {}

    /// Compiles the load program of a model's programs.
    void lay_out(std::span<const Program* const> programs) { load_program_.emplace(programs, targets_); }
    const LoadProgram& load_program() const { return *load_program_; }

    /// Runs the load program. Pages of the checkpoint's files that nothing reads any more are dropped from memory while
    /// it does.
    using Progress = PreparedWeights::Progress;
    void load(const Progress& progress = nullptr);

    /// Addresses of the program's weights in their order.
    std::vector<const void*> addresses(const Program& program) const { return prepared_->addresses(program); }

private:
    Checkpoint& checkpoint_;
    std::span<const Target> targets_;
    std::optional<LoadProgram> load_program_;
    std::optional<PreparedWeights> prepared_;
};

}  // namespace vitro
