// Chooses the next token from logits.
#pragma once

#include "ops/sample/sample.h"

#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace vitro {

/// The defaults choose greedily. Filters apply in this order, as in Hugging Face transformers: bias, repetition
/// penalty, temperature, top-k, top-p, min-p.
struct SamplingOptions {
    float temperature = 0;   // 0: the most probable token
    std::int64_t top_k = 0;  // only the k most probable tokens; 0: all
    float top_p = 1;         // only the most probable tokens, as few as reach this sum of probabilities
    float min_p = 0;         // only tokens with at least this fraction of the most probable token's probability
    float repetition_penalty =
        1;  // divides positive and multiplies negative logits of tokens that already occurred (Keskar et al. 2019)
    std::map<std::int32_t, float> logit_bias;  // added to the logits of these ids
    std::uint64_t seed = 0;
};

/// The inputs of the op `sample` for the logits after `position` tokens.
SampleRow sample_row(const SamplingOptions& options, std::size_t position);
/// Whether the op `sample` alone can choose the token: no repetition penalty and no bias changes the logits before.
bool samples_by_row(const SamplingOptions& options);

/// The first two filters, in place. `seen` [vocab_size] is all false before and after.
void add_bias(std::span<float> logits, const std::map<std::int32_t, float>& bias);
void penalize(std::span<float> logits, std::span<const std::int32_t> history, float penalty, std::vector<bool>& seen);

class Sampler {
public:
    /// Error when an option is out of its range, naming it.
    Sampler(SamplingOptions options, std::int64_t vocab_size);

    /// The next token from logits [vocab_size], given the tokens so far. The random choice depends only on the seed and
    /// the number of tokens so far, not on threads or on what was sampled for other sequences; the op `sample` with
    /// sample_row() chooses the same token. Allocates nothing. Error when there are not vocab_size logits, when the
    /// history has an id outside the vocabulary, or when a logit with bias and penalty is NaN or +Inf.
    std::int32_t sample(std::span<const float> logits, std::span<const std::int32_t> history);

private:
    void adjust(std::span<const float> logits, std::span<const std::int32_t> history);

    SamplingOptions options_;
    std::vector<float> adjusted_;              // [vocab_size]
    std::vector<bool> seen_;                   // [vocab_size], all false between calls
    std::vector<SampleCandidate> candidates_;  // [vocab_size]
};

}  // namespace vitro
