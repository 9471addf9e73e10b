#include "runtime/step_results.h"

#include "runtime/errors.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vitro {
namespace {

/// NaN and +Inf are what no model gives; -Inf is a token that cannot come.
void require_numbers(std::span<const float> values, const char* what) {
    const auto is_wrong = [](float x) { return !(x < std::numeric_limits<float>::infinity()); };
    const auto wrong = std::find_if(values.begin(), values.end(), is_wrong);
    if (wrong != values.end())
        throw NotFiniteError(
            fmt::format("the {} hold {}: expected numbers", what, std::isnan(*wrong) ? "NaN" : "+Inf"));
}

/// x - log(sum(exp(x))), in place.
void log_softmax(std::span<float> row) {
    const float largest = *std::max_element(row.begin(), row.end());
    if (largest == -std::numeric_limits<float>::infinity()) return;
    double sum = 0;
    for (const float x : row) sum += std::exp(static_cast<double>(x - largest));
    const double offset = static_cast<double>(largest) + std::log(sum);
    for (float& x : row) x = static_cast<float>(static_cast<double>(x) - offset);
}

}  // namespace

ResultBinding::ResultBinding(const Graph& graph)
    : logits(graph.find("logits")),
      next_tokens(graph.find("next_tokens")),
      hidden_states(graph.find("hidden_states")) {}

StepResults::StepResults(const BuildOptions& most, const ModelConfig& config)
    : n_outputs_(static_cast<std::size_t>(config.n_outputs())),
      hidden_size_(static_cast<std::size_t>(config.hidden_size)),
      logits_(static_cast<std::size_t>(most.max_rows) * n_outputs_),
      hidden_states_(
          most.hidden_states || config.head == Head::none ? static_cast<std::size_t>(most.max_rows) * hidden_size_ : 0),
      tokens_(static_cast<std::size_t>(most.max_rows)),
      candidates_(n_outputs_) {}

void StepResults::read(const Executor& executor, const ResultBinding& binding, const SymbolValues& symbols,
                       std::span<const Rows> parts, std::span<const SampleRow> samples) {
    const auto any = [&](auto... wants) {
        return std::any_of(parts.begin(), parts.end(), [&](const Rows& rows) { return ((rows.want == wants) || ...); });
    };
    const bool device_chooses = binding.next_tokens >= 0;
    if (any(Want::logits, Want::log_probabilities) || (!device_chooses && any(Want::token)))
        executor.read(binding.logits, logits_.data(), symbols);
    if (any(Want::hidden_states)) executor.read(binding.hidden_states, hidden_states_.data(), symbols);
    if (device_chooses && any(Want::token)) executor.read(binding.next_tokens, tokens_.data(), symbols);

    for (const Rows& rows : parts) {
        if (rows.want == Want::nothing) continue;
        if (rows.want == Want::hidden_states) {
            require_numbers(of(rows).values, "hidden states");
            continue;
        }
        if (rows.want == Want::token && device_chooses) {
            const auto chosen = of(rows).tokens;
            if (std::any_of(chosen.begin(), chosen.end(), [](std::int32_t token) { return token < 0; }))
                throw NotFiniteError("the logits hold NaN or +Inf: expected numbers");
            continue;
        }
        require_numbers(logits_of(rows), "logits");
        if (rows.want == Want::token) choose(rows, samples);
        for (std::size_t i = 0; rows.want == Want::log_probabilities && i < rows.count; ++i)
            log_softmax(logits_of({rows.want, rows.begin + i, 1}));
    }
}

std::span<float> StepResults::logits_of(const Rows& rows) {
    return std::span(logits_).subspan(rows.begin * n_outputs_, rows.count * n_outputs_);
}

void StepResults::choose(const Rows& rows, std::span<const SampleRow> samples) {
    for (std::size_t row = rows.begin; row < rows.begin + rows.count; ++row)
        tokens_[row] = choose_token(logits_.data() + row * n_outputs_, static_cast<std::int64_t>(n_outputs_),
                                    samples[row], candidates_.data());
}

PartResult StepResults::of(const Rows& rows) const {
    switch (rows.want) {
        case Want::nothing:
            return {};
        case Want::token:
            return {{}, std::span(tokens_).subspan(rows.begin, rows.count)};
        case Want::hidden_states:
            return {std::span(hidden_states_).subspan(rows.begin * hidden_size_, rows.count * hidden_size_), {}};
        case Want::logits:
        case Want::log_probabilities:
            break;
    }
    return {std::span(logits_).subspan(rows.begin * n_outputs_, rows.count * n_outputs_), {}};
}

}  // namespace vitro
