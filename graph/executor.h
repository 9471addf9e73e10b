// Runs a program: one call is one step of the model. Nothing is allocated after construction.
#pragma once

#include "graph/program.h"

#include <functional>

namespace vitro {

/// A device's memory that a program runs in; the owner keeps it alive. Programs of one model share all but `io`.
struct Memory {
    Backend& backend;
    std::byte* states = nullptr;
    std::byte* io = nullptr;
    std::byte* arena = nullptr;
};

class Executor {
public:
    /// Binds every step to its memory and writes the constants. `memory` by device, `weights` by their order among the
    /// graph's weights, each on the device that the plan places it on.
    Executor(const Program& program, std::vector<Memory> memory, std::span<const void* const> weights);

    /// Runs all steps with these symbol values, each within [0, bound].
    void run(const SymbolValues& symbols);

    /// Fills an input before run(), reads a result after it: all its bytes as of `symbols`, in host memory.
    void write(ValueId id, const void* data, const SymbolValues& symbols);
    void read(ValueId id, void* data, const SymbolValues& symbols) const;

    /// Memory and sizes of a value as of `symbols`, on its device.
    Tensor tensor(ValueId id, const SymbolValues& symbols) const;
    Tensor tensor(std::string_view path, const SymbolValues& symbols) const;

    /// Called after each step with the call that ran; taps and timings. Null: none.
    using Observer = std::function<void(const Program& program, const Step& step, const Call& call)>;
    void observe(Observer observer) { observer_ = std::move(observer); }

    const Program& program() const { return program_; }

private:
    void* address(ValueId id) const;
    Backend& backend_of(ValueId id) const { return memory_[program_.plan.place(id).device].backend; }
    void copy(ValueId from, ValueId to, const Call& call) const;
    void set_symbol_sizes(const SymbolValues& symbols);

    struct BoundStep {
        std::size_t first_tensor, n_inputs, n_outputs;
        std::span<std::byte> scratch;
    };
    /// A size of a tensor that follows a symbol.
    struct SymbolSize {
        std::size_t tensor;
        std::size_t axis;
        char symbol;
    };

    const Program& program_;
    std::vector<Memory> memory_;          // by device
    std::vector<void*> weight_of_value_;  // by ValueId
    std::vector<Tensor> tensors_;         // inputs and outputs of all steps, one after the other
    std::vector<BoundStep> steps_;        // beside program_.steps
    std::vector<SymbolSize> symbol_sizes_;
    SymbolValues symbols_;
    Observer observer_;
};

}  // namespace vitro
