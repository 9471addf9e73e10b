// The weights of a model on its devices, from its checkpoint: mapped files where the backend reads host memory and the
// weight is used as stored, else what the load program computes.
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
    /// `checkpoint` and `targets` must outlive this; `targets`: those that the programs are compiled for.
    Weights(Checkpoint& checkpoint, std::span<const Target> targets) : checkpoint_(checkpoint), targets_(targets) {}

    /// Compiles the load program of a model's programs.
    void lay_out(std::span<const Program* const> programs) { load_program_.emplace(programs, targets_); }
    const LoadProgram& load_program() const { return *load_program_; }

    /// Runs the load program. Meanwhile, pages of the checkpoint's files that are not read again are dropped from
    /// memory.
    using Progress = PreparedWeights::Progress;
    void load(const Progress& progress = nullptr);

    /// Addresses of the program's weights, in the program's order.
    std::vector<const void*> addresses(const Program& program) const { return prepared_->addresses(program); }

private:
    Checkpoint& checkpoint_;
    std::span<const Target> targets_;
    std::optional<LoadProgram> load_program_;
    std::optional<PreparedWeights> prepared_;
};

}  // namespace vitro
