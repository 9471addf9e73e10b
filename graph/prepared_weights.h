// The weights of a model on its devices, as its load program makes them.
#pragma once

#include "graph/load_program.h"

#include <functional>
#include <span>
#include <vector>

namespace vitro {

class PreparedWeights {
public:
    /// Both must outlive it. `targets` as for the load program.
    PreparedWeights(const LoadProgram& load, std::span<const Target> targets) : load_(load), targets_(targets) {}

    /// Where the tensors are that the load program reads.
    struct Tensors {
        /// In host memory, aligned to its elements. It must stay there where it is_mapped, else until it is released.
        std::function<const void*(const ValueInfo& weight)> find;
        /// Called when nothing reads the tensor any more. May be null.
        std::function<void(const ValueInfo& weight)> release{};
        /// Called when the load program has read a tensor that is_mapped: memory may drop what it can read again. May be
        /// null.
        std::function<void(const ValueInfo& weight)> unload{};
    };
    /// Told the bytes that are made and all bytes to make, now and then.
    using Progress = std::function<void(std::size_t done, std::size_t all)>;

    /// Allocates the weights, a block on each device, and runs the load program. Each step shares its work among the
    /// host's threads; copies from the tensors to a device are one Backend::upload_all.
    void make(const Tensors& tensors, const Progress& progress = nullptr);

    /// Addresses of the weights of a program of the model, in their order.
    std::vector<const void*> addresses(const Program& step) const;

private:
    const LoadProgram& load_;
    std::span<const Target> targets_;
    std::vector<Buffer> blocks_;          // by device
    std::vector<const void*> addresses_;  // by ValueId of the load program's graph; null for what is no weight
};

}  // namespace vitro
