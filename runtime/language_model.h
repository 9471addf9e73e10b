// A model ready to run on one or more devices: weights, KV cache, and two programs, one for chunks of prompts and one
// for single tokens. A step takes tokens of several sequences at once; no sequence sees another.
#pragma once

#include "backends/backend.h"
#include "frontend/checkpoint.h"
#include "graph/executor.h"
#include "ops/sample/sample.h"
#include "runtime/model_options.h"
#include "runtime/weights.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace vitro {

/// Which logits a step is to compute for a sequence.
enum class Want : std::uint8_t { none, last, all };

class LanguageModel {
public:
    /// `directory` as Hugging Face saves it; `targets` as for compile(): their backends must outlive the model.
    LanguageModel(const std::filesystem::path& directory, ModelConfig config, std::vector<Target> targets,
                  const LanguageModelOptions& options);

    const ModelConfig& config() const { return config_; }
    /// Complete: with every default filled in.
    const LanguageModelOptions& options() const { return options_; }
    const Checkpoint& checkpoint() const { return checkpoint_; }
    std::span<const Target> targets() const { return targets_; }
    std::int64_t context() const { return options_.context; }
    const Program& program(Phase phase) const { return (phase == Phase::prefill ? prefill_ : decode_)->program; }
    /// For looking at what runs and measuring it.
    Executor& executor(Phase phase) { return (phase == Phase::prefill ? prefill_ : decode_)->executor; }

    /// Tokens to append to sequence `sequence` (in [0, max_sequences)).
    struct Part {
        std::int64_t sequence = 0;
        std::span<const std::int32_t> tokens;
        Want want = Want::last;
    };

    /// Appends the parts' tokens to their sequences, in as few steps as chunks allow, and returns the logits of the
    /// wanted rows, [rows, vocab_size], part by part, valid until the next call. A sequence comes at most once.
    /// Error when a sequence would outgrow the context or an id is outside the vocabulary; nothing has changed then.
    /// Want::all needs options.all_logits and parts that fit one chunk together; see feed_all for longer ones.
    std::span<const float> feed(std::span<const Part> parts);

    /// As feed, but the device chooses the next token after each part, as options.choose_tokens lets it, and only these
    /// leave it. All parts want their last row; `rows` say how to choose, one for each.
    std::span<const std::int32_t> choose(std::span<const Part> parts, std::span<const SampleRow> rows);
    bool chooses_tokens() const { return options_.choose_tokens; }

    /// The logits of all tokens of one sequence, chunk by chunk: calls take(logits [rows, vocab_size]) for each.
    void feed_all(std::int64_t sequence, std::span<const std::int32_t> tokens,
                  const std::function<void(std::span<const float>)>& take);

    /// Keeps the first `length` tokens of a sequence, forgets the rest.
    void truncate(std::int64_t sequence, std::int64_t length);
    /// The tokens in the cache.
    std::span<const std::int32_t> tokens(std::int64_t sequence) const {
        return sequences_[static_cast<std::size_t>(sequence)].tokens;
    }

    /// See Executor::observe.
    void observe(const Executor::Observer& observer);

private:
    /// A program with its memory.
    struct Runner {
        Runner(Program compiled, const LanguageModel& model, Weights& weights);
        Program program;
        std::vector<Buffer> io;  // by device
        Executor executor;
        ValueId tokens, positions, sequences, page_table, lengths, rows, rope_lengths, logits;
        ValueId sample_options, sample_integers, next_tokens;  // -1 where tokens are not chosen on the device
    };
    struct Sequence {
        std::vector<std::int32_t> tokens;  // capacity for the whole context is reserved
        std::vector<std::int32_t> pages;   // likewise
        std::int64_t rope_length = 0;      // the length that decides between short and long rope factors
        bool long_keys = false;            // whether the keys in the cache are turned by the long ones
    };

    /// Error when a device has not the memory for all of this.
    void check_memory(std::span<const Program* const> programs) const;
    void check(std::span<const Part> parts) const;
    /// Recomputes a sequence whose keys were turned by the other rope factors: it has grown past the border between
    /// short and long ones, or was cut back before it.
    void choose_rope(const Part& part);
    /// Runs all parts in steps that fit; returns the rows that there are now results of.
    std::int64_t run(std::span<const Part> parts);
    /// Runs parts that fit one step; returns the rows of logits_, or of chosen_, filled from `row` on.
    std::int64_t step(std::span<const Part> parts, std::int64_t row);
    void write_sampling(Runner& runner, std::int64_t row, const SymbolValues& symbols);
    template <class T>
    void write(Runner& runner, ValueId input, const std::vector<T>& data, const SymbolValues& symbols);
    void reserve_pages(Sequence& sequence, std::int64_t length);
    Sequence& at(std::int64_t sequence) { return sequences_[static_cast<std::size_t>(sequence)]; }

    ModelConfig config_;
    std::vector<Target> targets_;
    LanguageModelOptions options_;
    Checkpoint checkpoint_;
    Weights weights_;
    std::vector<Buffer> states_, arena_;  // by device; both programs share them
    std::unique_ptr<Runner> prefill_;
    std::unique_ptr<Runner> decode_;
    std::int64_t pages_per_sequence_ = 0, page_size_ = 0;
    std::vector<Sequence> sequences_;
    std::vector<std::int32_t> free_pages_;
    // Scratch of a step, reserved once.
    std::vector<Part> step_parts_;
    std::vector<std::int32_t> tokens_, positions_, sequence_of_, page_table_, lengths_, rope_lengths_, rows_;
    std::vector<std::int32_t> history_;  // of the sequence that choose_rope recomputes
    std::vector<float> logits_;
    std::span<const SampleRow> sample_rows_;  // of the call of choose() that is under way
    std::vector<float> sample_options_;
    std::vector<std::int32_t> sample_integers_, chosen_;
};

}  // namespace vitro
