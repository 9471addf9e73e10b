#include "runtime/step_inputs.h"

namespace vitro {

InputBinding::InputBinding(const Graph& graph)
    : tokens(graph.find("tokens")),
      positions(graph.find("positions")),
      sequences(graph.find("sequences")),
      page_table(graph.find("page_table")),
      lengths(graph.find("lengths")),
      rows(graph.find("rows")),
      rope_lengths(graph.find("rope_lengths")),
      sample_options(graph.find("sample_options")),
      sample_integers(graph.find("sample_integers")) {}

StepInputs::StepInputs(const BuildOptions& most)
    : pages_per_sequence_(static_cast<std::size_t>(most.pages_per_sequence())) {
    const auto n_tokens = static_cast<std::size_t>(most.max_tokens), n_rows = static_cast<std::size_t>(most.max_rows),
               n_sequences = static_cast<std::size_t>(most.max_sequences);
    for (auto* list : {&tokens_, &positions_, &sequences_}) list->reserve(n_tokens);
    for (auto* list : {&lengths_, &rope_lengths_}) list->reserve(n_sequences);
    page_table_.reserve(n_sequences * pages_per_sequence_);
    rows_.reserve(n_rows);
    samples_.reserve(n_rows);
    sample_options_.reserve(n_rows * SampleRow::kOptions);
    sample_integers_.reserve(n_rows * SampleRow::kIntegers);
}

void StepInputs::clear() {
    for (auto* list :
         {&tokens_, &positions_, &sequences_, &page_table_, &lengths_, &rope_lengths_, &rows_, &sample_integers_})
        list->clear();
    samples_.clear();
    sample_options_.clear();
    cached_ = 0;
}

void StepInputs::begin_sequence(std::span<const std::int32_t> pages, std::int64_t length, std::int64_t rope_length) {
    page_table_.insert(page_table_.end(), pages.begin(), pages.end());
    lengths_.push_back(static_cast<std::int32_t>(length));
    rope_lengths_.push_back(static_cast<std::int32_t>(rope_length));
    page_table_.resize(lengths_.size() * pages_per_sequence_);
    cached_ += length;
}

void StepInputs::add_token(std::int32_t token, std::int64_t position) {
    tokens_.push_back(token);
    positions_.push_back(static_cast<std::int32_t>(position));
    sequences_.push_back(static_cast<std::int32_t>(lengths_.size() - 1));
}

void StepInputs::want_row(const SampleRow& sample) {
    rows_.push_back(static_cast<std::int32_t>(tokens_.size() - 1));
    samples_.push_back(sample);
    sample_options_.resize(rows_.size() * SampleRow::kOptions);
    sample_integers_.resize(rows_.size() * SampleRow::kIntegers);
    sample.write(sample_options_.data() + sample_options_.size() - SampleRow::kOptions,
                 sample_integers_.data() + sample_integers_.size() - SampleRow::kIntegers);
}

SymbolValues StepInputs::symbols() const {
    SymbolValues symbols;
    symbols['T'] = static_cast<std::int64_t>(tokens_.size());
    symbols['R'] = static_cast<std::int64_t>(rows_.size());
    symbols['S'] = static_cast<std::int64_t>(lengths_.size());
    symbols['C'] = cached_;
    return symbols;
}

void StepInputs::write(Executor& executor, const InputBinding& binding) const {
    const SymbolValues symbols = this->symbols();
    const auto give = [&](ValueId input, const auto& data) {
        if (input < 0) return;
        VITRO_CHECK(bytes_of(executor.program().graph.value(input).type, symbols) ==
                    static_cast<std::int64_t>(data.size() * sizeof(data[0])));
        executor.write(input, data.data(), symbols);
    };
    give(binding.tokens, tokens_);
    give(binding.positions, positions_);
    give(binding.sequences, sequences_);
    give(binding.page_table, page_table_);
    give(binding.lengths, lengths_);
    give(binding.rows, rows_);
    give(binding.rope_lengths, rope_lengths_);
    give(binding.sample_options, sample_options_);
    give(binding.sample_integers, sample_integers_);
}

}  // namespace vitro
