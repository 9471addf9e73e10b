// The input arrays of a step, and the program's inputs that they belong to.
#pragma once

#include "graph/executor.h"
#include "models/model.h"
#include "ops/sample/sample.h"

#include <cstdint>
#include <span>
#include <vector>

namespace vitro {

/// The inputs of a model's graph (models/model.h); -1 where the graph has none.
struct InputBinding {
    explicit InputBinding(const Graph& graph);
    ValueId tokens, positions, sequences, page_table, lengths, rows, rope_lengths, sample_options, sample_integers;
};

/// Filled sequence by sequence: begin_sequence(), then its tokens. Allocates only in the constructor.
class StepInputs {
public:
    /// `most`: the sizes of the largest step.
    explicit StepInputs(const BuildOptions& most);

    void clear();
    /// Starts a sequence: its pages, how many tokens it has in the cache after the step, and the length that rope uses.
    void begin_sequence(std::span<const std::int32_t> pages, std::int64_t length, std::int64_t rope_length);
    void add_token(std::int32_t token, std::int64_t position);
    /// Asks for the row of the token that was added last; `sample` says how to choose the token after it.
    void want_row(const SampleRow& sample);

    /// The sizes of the step so far: T, R, S and C.
    SymbolValues symbols() const;
    std::span<const SampleRow> samples() const { return samples_; }
    /// Sets the arrays as inputs of a program.
    void write(Executor& executor, const InputBinding& binding) const;

private:
    std::size_t pages_per_sequence_;
    std::vector<std::int32_t> tokens_, positions_, sequences_;  // [T]
    std::vector<std::int32_t> page_table_;                      // [S, pages_per_sequence]
    std::vector<std::int32_t> lengths_, rope_lengths_;          // [S]
    std::vector<std::int32_t> rows_;                            // [R]
    std::vector<SampleRow> samples_;                            // [R]
    std::vector<float> sample_options_;                         // [R, SampleRow::kOptions]
    std::vector<std::int32_t> sample_integers_;                 // [R, SampleRow::kIntegers]
    std::int64_t cached_ = 0;                                   // the sum of lengths_
};

}  // namespace vitro
