// Runs a program: one call is one step of the model. Nothing is allocated after construction, but for recordings.
//
// A device that can (Backend::record) gets the steps that follow each other on it as one recording, replayed as long as
// the symbols' values repeat: a run takes the second one with the same values to record. Only values that the steps'
// tensors have count, so a decode step's recording serves every position.
#pragma once

#include "graph/index_check.h"
#include "graph/program.h"
#include "graph/tap_memory.h"

#include <map>
#include <memory>
#include <string>

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

    /// Runs all steps with these symbol values, each within [0, bound]. Whoever writes inputs holds them to input_rules
    /// (graph/index_check.h); other indices are checked before the step that reads them: an Error, and the steps behind
    /// it have not run.
    /// Errors of a device name it, and the step where that is known.
    void run(const SymbolValues& symbols);
    /// Queues these steps alone, by their order in the program, with the sizes of the latest run: to measure them.
    void run_steps(std::span<const std::size_t> steps);

    /// What a step, by its order in the program, is called with, with the sizes of the latest run.
    Call call(std::size_t step) const;

    /// Fills an input before run(), reads a result after it: all its bytes as of `symbols`, in host memory.
    void write(ValueId id, const void* data, const SymbolValues& symbols);
    void read(ValueId id, void* data, const SymbolValues& symbols) const;

    /// Memory and sizes of a value as of `symbols`, on its device.
    Tensor tensor(ValueId id, const SymbolValues& symbols) const;
    Tensor tensor(std::string_view path, const SymbolValues& symbols) const;

    /// Copies these values to the host in every run from now on, each right after the step that makes it, or before the
    /// first step where no step does (inputs, states as they were); in recordings too. Nothing else changes: no step,
    /// no place, no bit. An empty list ends it. Allocates, at the symbols' bounds. Not for weights.
    void tap(std::span<const ValueId> values);
    /// The copy of a tapped value, with the sizes of the latest run: host memory, valid until the next run.
    Tensor tapped(ValueId id) const;

    /// Reads each device's clock before and after every step of the runs from now on; in recordings too, which then
    /// are others than without. Nothing else changes. Allocates at the first time.
    void time_steps(bool on);
    /// When a step of the latest run, which was timed, began and ended: seconds since that run began. A device's own
    /// clock tells, and it is taken to begin with the run.
    struct StepTime {
        double begin = 0, end = 0;
    };
    /// By the steps' order in the program. Waits for them.
    std::vector<StepTime> step_times() const;
    /// When the latest run that was timed began, on the host's steady clock, in seconds.
    double began() const { return began_; }

    const Program& program() const { return program_; }
    /// Of the latest run; the bounds before the first.
    const SymbolValues& symbols() const { return symbols_; }
    /// Bytes of host memory for what a device that is not the host exchanges with it: its inputs and results.
    std::size_t staging_bytes() const;
    /// The recording that the latest run has replayed, if it was only one; null otherwise.
    const Recording* replayed() const { return replayed_; }

private:
    /// Host memory beside a device's io region, byte for byte; none for a program without inputs, which is not run step
    /// after step.
    struct Staging {
        Buffer memory;
        std::size_t begin = 0, end = 0;  // the inputs, and constants between them
        bool in_use = false;             // by what is queued
    };
    /// Steps [first, end) that follow each other on one device, without copies to or from another.
    struct Stretch {
        std::size_t first, end, device;
    };
    /// What was recorded for the same values of all symbols that matter; empty at first.
    struct Recorded {
        SymbolValues symbols;
        bool timed;
        std::vector<std::unique_ptr<Recording>> stretches;  // null: not recorded
    };
    static constexpr std::size_t kMostRecorded = 64;  // sets of values; beyond that steps run directly

    void* address(ValueId id) const;
    Backend& backend_of(ValueId id) const { return memory_[program_.plan.place(id).device].backend; }
    bool is_staged(std::size_t device) const { return staging_[device].memory.data() != nullptr; }
    std::span<const std::byte> weights_of(std::size_t step) const;
    std::uint64_t fixed_inputs_of(const Node& node) const;
    void make_staging();
    void find_unchecked_indices();
    void find_stretches();
    void set_symbol_sizes(const SymbolValues& symbols);
    void queue_inputs(std::size_t device);
    void run_stretch(std::size_t index);
    void run_step(std::size_t index);
    void check_indices_of(std::size_t step) const;
    void copy(ValueId from, ValueId to, const Call& call) const;
    void begin(std::size_t device);
    void queue_tap(const TapMemory::Tap& tap) const;
    bool begins_apart(std::size_t step, std::size_t first_of_stretch) const;
    void synchronize(std::size_t device) const;
    const Recorded* recorded_for(const SymbolValues& symbols);

    struct BoundStep {
        std::size_t first_tensor, n_inputs, n_outputs;
        std::span<std::byte> scratch;
        std::span<const std::byte> next_weights{};
        std::uint64_t fixed_inputs = 0;
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
    std::map<std::size_t, std::vector<UncheckedIndices>> unchecked_;  // by step, none in a model
    std::vector<Staging> staging_;                                    // by device; none for the host
    std::vector<Stretch> stretches_;
    bool records_ = false;      // some stretch may be recorded
    std::string used_symbols_;  // of all steps' tensors
    std::vector<Recorded> recorded_;
    const Recording* replayed_ = nullptr;
    SymbolValues symbols_;
    TapMemory taps_;
    bool timed_ = false;
    double began_ = 0;
    std::vector<std::unique_ptr<Stopwatch>> stopwatches_;  // by device, once steps were timed
};

}  // namespace vitro
