#include "runtime/language_model.h"

#include "runtime/errors.h"
#include "runtime/expect.h"

#include <algorithm>

namespace vitro {
namespace {

std::int64_t size_of(std::span<const std::int32_t> tokens) { return static_cast<std::int64_t>(tokens.size()); }

std::int64_t rows_of(const StepPart& part) {
    return part.want == Want::nothing ? 0 : part.all_rows ? size_of(part.tokens) : 1;
}

}  // namespace

LanguageModel::LanguageModel(const std::filesystem::path& directory, ModelConfig config, std::vector<Target> targets,
                             const LanguageModelOptions& options)
    : config_(std::move(config)),
      options_(completed(options, config_)),
      most_(build_options(options_, Phase::prefill, nullptr)),
      programs_(directory, config_, std::move(targets), options_),
      pages_(most_.cache_pages(), most_.page_size, most_.max_sequences, most_.pages_per_sequence()),
      sequences_(static_cast<std::size_t>(options_.max_sequences)),
      inputs_(most_),
      results_(most_, config_) {
    for (Sequence& sequence : sequences_) sequence.tokens.reserve(static_cast<std::size_t>(options_.context));
    rows_.reserve(sequences_.size());
    part_results_.reserve(sequences_.size());
}

std::size_t LanguageModel::index_of(std::int64_t sequence) const {
    if (sequence < 0 || sequence >= options_.max_sequences)
        fail("sequence {}: expected one in [0, {})", sequence, options_.max_sequences);
    return static_cast<std::size_t>(sequence);
}

std::span<const PartResult> LanguageModel::step(std::span<const StepPart> work) {
    if (work.empty()) return {};
    check(work);
    check_step(work);
    for (const StepPart& part : work) {
        Sequence& sequence = at(part.sequence);
        sequence.next_rope_length =
            std::max({sequence.rope_length, part.length, size_of(sequence.tokens) + size_of(part.tokens)});
        if (config_.rope_by_length() != nullptr) restore_cache(part.sequence);
    }
    run(work);
    part_results_.clear();
    for (std::size_t i = 0; i < work.size(); ++i) {
        Sequence& sequence = at(work[i].sequence);
        sequence.rope_length = sequence.next_rope_length;
        sequence.tokens.insert(sequence.tokens.end(), work[i].tokens.begin(), work[i].tokens.end());
        part_results_.push_back(results_.of(rows_[i]));
    }
    return part_results_;
}

void LanguageModel::check(std::span<const StepPart> work) const {
    for (const StepPart& part : work) {
        if (part.tokens.empty()) fail("sequence {}: expected at least one token to append, found none", part.sequence);
        const std::int64_t length = std::max(part.length, size_of(at(part.sequence).tokens) + size_of(part.tokens));
        if (length > options_.context)
            throw ContextError(
                fmt::format("the text is {} tokens long, but the context has room for {}", length, options_.context));
        for (const std::int32_t id : part.tokens)
            if (id < 0 || id >= config_.vocab_size)
                fail("token id {}: expected an id in [0, {})", id, config_.vocab_size);
        if (!config_.is_causal && !at(part.sequence).tokens.empty())
            fail("sequence {}: expected it to be empty, since {} sees a text as a whole, found {} tokens",
                 part.sequence, config_.architecture, at(part.sequence).tokens.size());
        if (config_.head == Head::none && part.want != Want::nothing && part.want != Want::hidden_states)
            fail("{}: expected a model with a head, such as a language model: this one gives hidden states",
                 config_.architecture);
        if (part.want == Want::token || part.want == Want::log_probabilities) expect_language_model(config_);
        if (part.want == Want::hidden_states && !options_.hidden_states)
            fail("hidden states: expected a model that was opened with the option hidden_states");
        if (part.want != Want::nothing && part.all_rows && !options_.all_logits)
            fail("rows of all tokens: expected a model that was opened with the option all_logits");
    }
}

void LanguageModel::check_step(std::span<const StepPart> work) {
    ++steps_;
    std::int64_t tokens = 0, rows = 0;
    for (const StepPart& part : work) {
        Sequence& sequence = at(part.sequence);
        if (sequence.latest_step == steps_) fail("sequence {}: expected once in a step, found twice", part.sequence);
        sequence.latest_step = steps_;
        tokens += size_of(part.tokens);
        rows += rows_of(part);
    }
    if (tokens > most_.max_tokens) fail("a step: expected at most {} tokens, found {}", most_.max_tokens, tokens);
    if (rows > most_.max_rows) fail("a step: expected at most {} rows of results, found {}", most_.max_rows, rows);
}

/// Computes again the keys of a sequence that were turned by the other factors of the rope: it grows past the border
/// between short and long ones, or was cut back before it.
void LanguageModel::restore_cache(std::int64_t index) {
    Sequence& sequence = at(index);
    const bool wants_long = sequence.next_rope_length > config_.rope_by_length()->original_max_positions;
    if (sequence.long_keys != wants_long) {
        pages_.truncate(index, 0);
        sequence.cached = 0;
        sequence.long_keys = wants_long;
    }
    while (sequence.cached < size_of(sequence.tokens)) {
        const auto rest = std::span<const std::int32_t>(sequence.tokens).subspan(std::size_t(sequence.cached));
        const auto piece = rest.first(std::min(rest.size(), static_cast<std::size_t>(most_.max_tokens)));
        const StepPart again{.sequence = index, .tokens = piece, .want = Want::nothing};
        run({&again, 1});
    }
}

/// Runs one step behind what is in the cache. Afterwards its tokens are in the cache, or all is as it was.
void LanguageModel::run(std::span<const StepPart> work) {
    inputs_.clear();
    rows_.clear();
    std::size_t n_rows = 0;
    try {
        for (const StepPart& part : work) {
            const Sequence& sequence = at(part.sequence);
            const std::int64_t begin = sequence.cached, end = begin + size_of(part.tokens);
            pages_.reserve(part.sequence, begin, end);
            inputs_.begin_sequence(pages_.pages(part.sequence), end, sequence.next_rope_length);
            rows_.push_back({part.want, n_rows, static_cast<std::size_t>(rows_of(part))});
            n_rows += rows_.back().count;
            for (std::int64_t i = begin; i < end; ++i) {
                inputs_.add_token(part.tokens[static_cast<std::size_t>(i - begin)], i);
                if (part.want == Want::nothing || (!part.all_rows && i + 1 < end)) continue;
                SampleRow sample = part.want == Want::token ? part.sample : SampleRow{};
                sample.position = static_cast<std::int32_t>(i + 1);
                inputs_.want_row(sample);
            }
        }
        programs_.copy_pages(pages_.copies());
        const SymbolValues symbols = inputs_.symbols();
        const bool is_small = symbols['T'] <= options_.max_sequences && symbols['R'] <= options_.max_sequences;
        ModelPrograms::Runner& runner = programs_.runner(is_small ? Phase::decode : Phase::prefill);
        inputs_.write(runner.executor, runner.inputs);
        runner.executor.run(symbols);
        results_.read(runner.executor, runner.results, symbols, rows_, inputs_.samples());
    } catch (...) {
        pages_.roll_back();
        throw;
    }
    pages_.commit();
    for (const StepPart& part : work) at(part.sequence).cached += size_of(part.tokens);
}

void LanguageModel::truncate(std::int64_t index, std::int64_t length) {
    Sequence& sequence = at(index);
    if (length < 0) fail("sequence {}: expected a length of at least 0, found {}", index, length);
    if (length >= size_of(sequence.tokens)) return;
    sequence.tokens.resize(static_cast<std::size_t>(length));
    sequence.cached = std::min(sequence.cached, length);
    sequence.rope_length = std::min(sequence.rope_length, length);
    pages_.truncate(index, sequence.cached);
}

void LanguageModel::share(std::int64_t from, std::int64_t to, std::int64_t length) {
    const Sequence& source = at(from);
    if (length < 0 || length > size_of(source.tokens))
        fail("sequence {}: expected a length in [0, {}], found {}", from, source.tokens.size(), length);
    if (from == to) fail("sequence {}: expected a different sequence to share its tokens with", from);
    truncate(to, 0);
    Sequence& target = at(to);
    target.tokens.assign(source.tokens.begin(), source.tokens.begin() + length);
    target.cached = std::min(source.cached, length);
    target.long_keys = source.long_keys;
    target.rope_length = std::min(source.rope_length, length);
    pages_.share(from, to, target.cached);
}

}  // namespace vitro
