#include "runtime/language_model.h"

#include "runtime/compile_model.h"
#include "runtime/errors.h"
#include "runtime/memory_use.h"

#include <algorithm>

namespace vitro {
namespace {

/// On each device, a block as large as the larger of both programs' regions.
std::vector<Buffer> shared_memory(std::span<const Target> targets, const Program& a, const Program& b, Region region,
                                  std::string_view what) {
    std::vector<Buffer> out;
    for (std::size_t device = 0; device < targets.size(); ++device)
        out.push_back(targets[device].backend.allocate(
            std::max(a.plan.bytes(region, device), b.plan.bytes(region, device)), what));
    return out;
}

std::vector<Buffer> io_memory(std::span<const Target> targets, const Program& program) {
    return shared_memory(targets, program, program, Region::io, "inputs and results");
}

/// The memory of a program on each device.
std::vector<Memory> memory_of(std::span<const Target> targets, const std::vector<Buffer>& states,
                              const std::vector<Buffer>& io, const std::vector<Buffer>& arena) {
    std::vector<Memory> out;
    for (std::size_t device = 0; device < targets.size(); ++device)
        out.push_back({targets[device].backend, states[device].data(), io[device].data(), arena[device].data()});
    return out;
}

}  // namespace

LanguageModel::Runner::Runner(Program compiled, const LanguageModel& model, Weights& weights)
    : program(std::move(compiled)),
      io(io_memory(model.targets_, program)),
      executor(program, memory_of(model.targets_, model.states_, io, model.arena_), weights.addresses(program)) {
    const Graph& graph = program.graph;
    tokens = graph.find("tokens");
    positions = graph.find("positions");
    sequences = graph.find("sequences");
    page_table = graph.find("page_table");
    lengths = graph.find("lengths");
    rows = graph.find("rows");
    rope_lengths = graph.find("rope_lengths");  // -1 where rope does not ask
    logits = graph.results.at(0);
    sample_options = graph.find("sample_options");
    sample_integers = graph.find("sample_integers");
    next_tokens = graph.find("next_tokens");
}

LanguageModel::LanguageModel(const std::filesystem::path& directory, ModelConfig config, std::vector<Target> targets,
                             const LanguageModelOptions& options)
    : config_(std::move(config)),
      targets_(std::move(targets)),
      options_(completed(options, config_)),
      checkpoint_(Checkpoint::open(directory)),
      weights_(checkpoint_, targets_) {
    const auto compiled = [&](Phase phase) {
        return compile_model(config_, phase, options_, targets_, &checkpoint_).program;
    };
    Program prefill_program = compiled(Phase::prefill), decode_program = compiled(Phase::decode);
    const Program* const programs[] = {&prefill_program, &decode_program};
    weights_.lay_out(programs);
    check_memory(programs);
    weights_.load(options_.progress);
    states_ = shared_memory(targets_, prefill_program, decode_program, Region::states, "the KV cache");
    arena_ = shared_memory(targets_, prefill_program, decode_program, Region::arena, "the arena");
    prefill_ = std::make_unique<Runner>(std::move(prefill_program), *this, weights_);
    decode_ = std::make_unique<Runner>(std::move(decode_program), *this, weights_);

    const BuildOptions prefill = build_options(options_, Phase::prefill, nullptr);
    pages_per_sequence_ = prefill.pages_per_sequence();
    page_size_ = prefill.page_size;
    const auto n_sequences = static_cast<std::size_t>(options_.max_sequences);
    const auto chunk = static_cast<std::size_t>(options_.chunk);
    sequences_.resize(n_sequences);
    for (Sequence& sequence : sequences_) {
        sequence.tokens.reserve(static_cast<std::size_t>(options_.context));
        sequence.pages.reserve(static_cast<std::size_t>(pages_per_sequence_));
    }
    for (std::int64_t page = options_.max_sequences * pages_per_sequence_ - 1; page >= 0; --page)
        free_pages_.push_back(static_cast<std::int32_t>(page));
    step_parts_.reserve(n_sequences);
    for (auto* list : {&tokens_, &positions_, &sequence_of_, &rows_}) list->reserve(chunk);
    for (auto* list : {&lengths_, &rope_lengths_}) list->reserve(n_sequences);
    page_table_.reserve(n_sequences * static_cast<std::size_t>(pages_per_sequence_));
    if (!config_.rope.is_static()) history_.reserve(static_cast<std::size_t>(options_.context));
    const auto most_rows = static_cast<std::size_t>(prefill.max_rows);
    logits_.resize(most_rows * static_cast<std::size_t>(config_.vocab_size));
    if (options_.choose_tokens) {
        sample_options_.reserve(most_rows * SampleRow::kOptions);
        sample_integers_.reserve(most_rows * SampleRow::kIntegers);
        chosen_.resize(most_rows);
    }
}

void LanguageModel::check_memory(std::span<const Program* const> programs) const {
    const std::vector<MemoryUse> uses = memory_use(programs, weights_.load_program());
    for (std::size_t device = 0; device < targets_.size(); ++device) {
        const Backend& backend = targets_[device].backend;
        const MemoryUse& use = uses[device];
        const auto free = backend.free_bytes();
        if (use.is_host || !free || use.peak() <= *free) continue;
        const auto gigabytes = [](std::size_t bytes) { return static_cast<double>(bytes) / 1e9; };
        throw MemoryError(fmt::format(
            "{}: not enough memory: expected {:.2f} GB (weights {:.2f}, KV cache {:.2f}, arena {:.2f}, inputs and "
            "results {:.2f}), found {:.2f} GB free",
            backend.description(), gigabytes(use.peak()), gigabytes(use.weights), gigabytes(use.states),
            gigabytes(use.arena), gigabytes(use.io), gigabytes(*free)));
    }
}

void LanguageModel::check(std::span<const Part> parts) const {
    std::int64_t all_tokens = 0;
    for (const Part& part : parts) {
        VITRO_CHECK(part.sequence >= 0 && part.sequence < options_.max_sequences && !part.tokens.empty());
        const auto size = static_cast<std::int64_t>(tokens(part.sequence).size() + part.tokens.size());
        if (size > options_.context)
            throw ContextError(
                fmt::format("the text is {} tokens long, but the context has room for {}", size, options_.context));
        for (const std::int32_t id : part.tokens)
            if (id < 0 || id >= config_.vocab_size)
                fail("token id {}: expected an id in [0, {})", id, config_.vocab_size);
        if (part.want == Want::all) all_tokens += static_cast<std::int64_t>(part.tokens.size());
    }
    VITRO_CHECK(all_tokens == 0 || (options_.all_logits && all_tokens <= options_.chunk));
}

std::span<const float> LanguageModel::feed(std::span<const Part> parts) {
    check(parts);
    for (const Part& part : parts) choose_rope(part);
    return std::span(logits_).first(static_cast<std::size_t>(run(parts) * config_.vocab_size));
}

std::span<const std::int32_t> LanguageModel::choose(std::span<const Part> parts, std::span<const SampleRow> rows) {
    VITRO_CHECK(options_.choose_tokens && rows.size() == parts.size());
    for (const Part& part : parts) VITRO_CHECK(part.want == Want::last);
    check(parts);
    for (const Part& part : parts) choose_rope(part);
    sample_rows_ = rows;
    const std::int64_t count = run(parts);
    sample_rows_ = {};
    return std::span(chosen_).first(static_cast<std::size_t>(count));
}

std::int64_t LanguageModel::run(std::span<const Part> parts) {
    std::int64_t rows = 0, room = options_.chunk;
    step_parts_.clear();
    for (Part part : parts) {
        while (!part.tokens.empty()) {
            const auto n = std::min(static_cast<std::size_t>(room), part.tokens.size());
            const bool ends = n == part.tokens.size();
            step_parts_.push_back(
                {part.sequence, part.tokens.first(n), part.want == Want::last && !ends ? Want::none : part.want});
            part.tokens = part.tokens.subspan(n);
            room -= static_cast<std::int64_t>(n);
            if (room > 0) break;
            rows += step(step_parts_, rows);
            step_parts_.clear();
            room = options_.chunk;
        }
    }
    if (!step_parts_.empty()) rows += step(step_parts_, rows);
    return rows;
}

void LanguageModel::feed_all(std::int64_t sequence, std::span<const std::int32_t> tokens,
                             const std::function<void(std::span<const float>)>& take) {
    const Part whole{sequence, tokens, Want::none};
    check({&whole, 1});
    choose_rope(whole);
    while (!tokens.empty()) {
        const auto n = std::min(static_cast<std::size_t>(options_.chunk), tokens.size());
        const Part part{sequence, tokens.first(n), Want::all};
        take(feed({&part, 1}));
        tokens = tokens.subspan(n);
    }
}

void LanguageModel::choose_rope(const Part& part) {
    if (config_.rope.is_static()) return;
    Sequence& sequence = at(part.sequence);
    const std::int64_t border = config_.rope.original_max_positions;
    const auto length = static_cast<std::int64_t>(sequence.tokens.size() + part.tokens.size());
    sequence.rope_length = std::max(sequence.rope_length, length);
    const bool changes = sequence.long_keys != (sequence.rope_length > border);
    sequence.long_keys = sequence.rope_length > border;
    if (!changes || sequence.tokens.empty()) return;
    history_.assign(sequence.tokens.begin(), sequence.tokens.end());
    const std::int64_t rope_length = sequence.rope_length;
    truncate(part.sequence, 0);
    sequence.rope_length = rope_length;
    for (std::size_t i = 0; i < history_.size(); i += static_cast<std::size_t>(options_.chunk)) {
        const auto n = std::min(static_cast<std::size_t>(options_.chunk), history_.size() - i);
        const Part again{part.sequence, std::span(history_).subspan(i, n), Want::none};
        step({&again, 1}, 0);
    }
}

std::int64_t LanguageModel::step(std::span<const Part> parts, std::int64_t row) {
    for (auto* list : {&tokens_, &positions_, &sequence_of_, &page_table_, &lengths_, &rope_lengths_, &rows_})
        list->clear();
    std::int64_t cached = 0;
    for (std::size_t s = 0; s < parts.size(); ++s) {
        const Part& part = parts[s];
        Sequence& sequence = at(part.sequence);
        for (std::size_t i = 0; i < part.tokens.size(); ++i) {
            if (part.want == Want::all || (part.want == Want::last && i + 1 == part.tokens.size()))
                rows_.push_back(static_cast<std::int32_t>(tokens_.size()));
            positions_.push_back(static_cast<std::int32_t>(sequence.tokens.size()));
            sequence_of_.push_back(static_cast<std::int32_t>(s));
            tokens_.push_back(part.tokens[i]);
            sequence.tokens.push_back(part.tokens[i]);
        }
        const auto length = static_cast<std::int64_t>(sequence.tokens.size());
        reserve_pages(sequence, length);
        page_table_.insert(page_table_.end(), sequence.pages.begin(), sequence.pages.end());
        page_table_.resize((s + 1) * static_cast<std::size_t>(pages_per_sequence_));
        lengths_.push_back(static_cast<std::int32_t>(length));
        rope_lengths_.push_back(static_cast<std::int32_t>(sequence.rope_length));
        cached += length;
    }

    SymbolValues symbols;
    symbols['T'] = static_cast<std::int64_t>(tokens_.size());
    symbols['R'] = static_cast<std::int64_t>(rows_.size());
    symbols['S'] = static_cast<std::int64_t>(parts.size());
    symbols['C'] = cached;
    Runner& runner =
        symbols['T'] <= options_.max_sequences && symbols['R'] <= options_.max_sequences ? *decode_ : *prefill_;
    write(runner, runner.tokens, tokens_, symbols);
    write(runner, runner.positions, positions_, symbols);
    write(runner, runner.sequences, sequence_of_, symbols);
    write(runner, runner.page_table, page_table_, symbols);
    write(runner, runner.lengths, lengths_, symbols);
    write(runner, runner.rows, rows_, symbols);
    if (runner.rope_lengths >= 0) write(runner, runner.rope_lengths, rope_lengths_, symbols);
    if (runner.next_tokens >= 0) write_sampling(runner, row, symbols);
    runner.executor.run(symbols);
    if (!sample_rows_.empty())
        runner.executor.read(runner.next_tokens, chosen_.data() + row, symbols);
    else
        runner.executor.read(runner.logits, logits_.data() + row * config_.vocab_size, symbols);
    return symbols['R'];
}

/// Rows that nobody chooses from get the cheapest choice.
void LanguageModel::write_sampling(Runner& runner, std::int64_t row, const SymbolValues& symbols) {
    const auto count = static_cast<std::size_t>(symbols['R']), first = static_cast<std::size_t>(row);
    sample_options_.resize(count * SampleRow::kOptions);
    sample_integers_.resize(count * SampleRow::kIntegers);
    for (std::size_t i = 0; i < count; ++i) {
        const SampleRow chosen = sample_rows_.empty() ? SampleRow{} : sample_rows_[first + i];
        chosen.write(sample_options_.data() + i * SampleRow::kOptions,
                     sample_integers_.data() + i * SampleRow::kIntegers);
    }
    write(runner, runner.sample_options, sample_options_, symbols);
    write(runner, runner.sample_integers, sample_integers_, symbols);
}

template <class T>
void LanguageModel::write(Runner& runner, ValueId input, const std::vector<T>& data, const SymbolValues& symbols) {
    VITRO_CHECK(bytes_of(runner.program.graph.value(input).type, symbols) ==
                static_cast<std::int64_t>(data.size() * sizeof(T)));
    runner.executor.write(input, data.data(), symbols);
}

void LanguageModel::reserve_pages(Sequence& sequence, std::int64_t length) {
    while (static_cast<std::int64_t>(sequence.pages.size()) * page_size_ < length) {
        VITRO_CHECK(!free_pages_.empty());  // there are enough for every sequence at full length
        sequence.pages.push_back(free_pages_.back());
        free_pages_.pop_back();
    }
}

void LanguageModel::truncate(std::int64_t sequence, std::int64_t length) {
    Sequence& s = at(sequence);
    if (length >= static_cast<std::int64_t>(s.tokens.size())) return;
    s.tokens.resize(static_cast<std::size_t>(length));
    while (!s.pages.empty() && static_cast<std::int64_t>(s.pages.size() - 1) * page_size_ >= length) {
        free_pages_.push_back(s.pages.back());
        s.pages.pop_back();
    }
    s.rope_length = std::min(s.rope_length, length);
}

void LanguageModel::observe(const Executor::Observer& observer) {
    prefill_->executor.observe(observer);
    decode_->executor.observe(observer);
}

}  // namespace vitro
