// Runs a program: one call is one step of the model. Nothing is allocated after construction.
#pragma once

#include "graph/program.h"

#include <functional>

namespace vitro {

/// The memory a program runs in; the owner keeps it alive. Programs of one model share all but `io`.
struct Memory {
    std::vector<const void*> weights;  // by their order among the graph's weights
    std::byte* states = nullptr;
    std::byte* io = nullptr;
    std::byte* arena = nullptr;
};

class Executor {
public:
    /// Binds every step to its memory and writes the constants.
    Executor(const Program& program, Backend& backend, Memory memory);

    /// Runs all steps with these symbol values, each within [0, bound].
    void run(const SymbolValues& symbols);

    /// Memory and sizes of a value as of `symbols`: an input to fill before run(), a result to read after it.
    Tensor tensor(ValueId id, const SymbolValues& symbols) const;
    Tensor tensor(std::string_view path, const SymbolValues& symbols) const;

    /// Called after each step with the call that ran; taps and timings. Null: none.
    using Observer = std::function<void(const Program& program, const Step& step, const Call& call)>;
    void observe(Observer observer) { observer_ = std::move(observer); }

    const Program& program() const { return program_; }

private:
    void* address(ValueId id) const;
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
    Backend& backend_;
    Memory memory_;
    std::vector<void*> weight_of_value_;  // by ValueId
    std::vector<Tensor> tensors_;         // inputs and outputs of all steps, one after the other
    std::vector<BoundStep> steps_;        // beside program_.steps
    std::vector<SymbolSize> symbol_sizes_;
    SymbolValues symbols_;
    Observer observer_;
};

}  // namespace vitro
