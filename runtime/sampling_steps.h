// How the next token is chosen, filter by filter: who is left after each, with what probability.
#pragma once

#include "runtime/sampler.h"

#include <string>
#include <utility>
#include <vector>

namespace vitro {

struct SamplingStep {
    std::string name;  // "logits", "temperature 0.8", "top-k 40"
    /// Those that are left, the most probable first, with their probabilities among these.
    std::vector<std::pair<std::int32_t, double>> candidates;
};

struct ExplainedChoice {
    std::vector<SamplingStep> steps;  // the logits first; of the filters only those that the options use
    std::int32_t token = -1;          // that Sampler::sample chooses
    double probability = 0;           // of it, after the last step
    double drawn = 0;                 // the number in [0, 1) that chose it; 0 without a temperature
};

/// `options` are in range, as Sampler checks them; logits are finite or -Inf, and there are at most 2^22.
ExplainedChoice explain_choice(std::span<const float> logits, std::span<const std::int32_t> history,
                               const SamplingOptions& options);

}  // namespace vitro
