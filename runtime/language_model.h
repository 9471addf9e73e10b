// A model that runs: sequences in a KV cache, and steps that append tokens to them. A step takes tokens of several
// sequences at once, both pieces of prompts and single tokens; no sequence attends to another.
#pragma once

#include "runtime/model_programs.h"

#include <filesystem>
#include <span>
#include <vector>

namespace vitro {

/// One sequence's part of a step.
struct StepPart {
    std::int64_t sequence = 0;             // in [0, max_sequences)
    std::span<const std::int32_t> tokens;  // to append, at least one
    Want want = Want::logits;
    bool all_rows = false;    // whether to give a row of results for every token, or only for the last one
    SampleRow sample = {};    // how Want::token chooses; its position is filled in
    std::int64_t length = 0;  // the least length that the sequence will have in tokens: for a prompt that is given in
                              // pieces, its whole length, since some ropes (models/config.h) depend on it
};

class LanguageModel {
public:
    /// `directory`: as Hugging Face saves it; `targets`: as for compile(). Their backends must outlive the model.
    LanguageModel(const std::filesystem::path& directory, ModelConfig config, std::vector<Target> targets,
                  const LanguageModelOptions& options);

    /// One step: appends each part's tokens to its sequence and returns what the parts want, in the order of the parts,
    /// valid until the next step. Nothing is allocated. Error for a sequence that occurs twice or does not exist, an id
    /// outside the vocabulary, more tokens than a chunk, more rows than the model was opened for, a text longer than
    /// the context or a full cache (ContextError), results that are not finite (NotFiniteError), or a device that
    /// failed. After an error no sequence has changed.
    std::span<const PartResult> step(std::span<const StepPart> work);
    /// Error when step(work) would fail even if its tokens were divided among several steps.
    void check(std::span<const StepPart> work) const;

    /// The tokens of a sequence. Their keys and values are in the cache.
    std::span<const std::int32_t> tokens(std::int64_t sequence) const { return at(sequence).tokens; }
    /// Keeps the first `length` tokens of a sequence and forgets the rest.
    void truncate(std::int64_t sequence, std::int64_t length);
    /// Gives sequence `to` the first `length` tokens of `from`, without computing anything: the two share pages of the
    /// cache, until one of them appends to a page that is not full.
    void share(std::int64_t from, std::int64_t to, std::int64_t length);
    /// Number of pages of the cache that no sequence uses.
    std::int64_t free_pages() const { return pages_.free_pages(); }

    const ModelConfig& config() const { return config_; }
    /// The options with every default filled in.
    const LanguageModelOptions& options() const { return options_; }
    const Checkpoint& checkpoint() const { return programs_.checkpoint(); }
    std::span<const Target> targets() const { return programs_.targets(); }
    std::int64_t context() const { return options_.context; }
    /// For inspecting and measuring what runs.
    const Program& program(Phase phase) const { return programs_.runner(phase).program; }
    Executor& executor(Phase phase) { return programs_.runner(phase).executor; }

private:
    struct Sequence {
        std::vector<std::int32_t> tokens;  // capacity for the whole context is reserved
        std::int64_t cached = 0;  // tokens whose keys are in the cache as `long_keys` says: all, except after a failure
        bool long_keys = false;   // whether keys are rotated with the rope's factors for long texts
        std::int64_t rope_length = 0;       // the length that decides which factors apply
        std::int64_t next_rope_length = 0;  // rope_length once the running step has succeeded
        std::uint64_t latest_step = 0;      // the latest step that the sequence was part of
    };

    /// Error when there is no such sequence.
    std::size_t index_of(std::int64_t sequence) const;
    const Sequence& at(std::int64_t sequence) const { return sequences_[index_of(sequence)]; }
    Sequence& at(std::int64_t sequence) { return sequences_[index_of(sequence)]; }
    void check_step(std::span<const StepPart> work);
    void restore_cache(std::int64_t sequence);
    void run(std::span<const StepPart> work);

    ModelConfig config_;
    LanguageModelOptions options_;
    BuildOptions most_;  // of the largest step
    ModelPrograms programs_;
    PagePool pages_;
    std::vector<Sequence> sequences_;
    std::uint64_t steps_ = 0;
    // Of the latest step.
    StepInputs inputs_;
    StepResults results_;
    std::vector<StepResults::Rows> rows_;  // by part
    std::vector<PartResult> part_results_;
};

}  // namespace vitro
