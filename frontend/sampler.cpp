#include "frontend/sampler.h"

#include "base/error.h"
#include "base/random.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vitro {
namespace {

void check(bool ok, const char* option, const char* expected, double found) {
    if (!ok) fail("{}: expected {}, found {}", option, expected, found);
}

}  // namespace

Sampler::Sampler(SamplingOptions options, std::int64_t vocab_size) : options_(std::move(options)) {
    check(options_.temperature >= 0 && std::isfinite(options_.temperature), "temperature", "a number of at least 0",
          options_.temperature);
    check(options_.top_k >= 0, "top-k", "a number of at least 0", static_cast<double>(options_.top_k));
    check(options_.top_p >= 0 && options_.top_p <= 1, "top-p", "a number in [0, 1]", options_.top_p);
    check(options_.min_p >= 0 && options_.min_p <= 1, "min-p", "a number in [0, 1]", options_.min_p);
    check(options_.repetition_penalty > 0 && std::isfinite(options_.repetition_penalty), "repeat-penalty",
          "a number above 0", options_.repetition_penalty);
    for (const auto& [id, bias] : options_.logit_bias) {
        if (id < 0 || id >= vocab_size) fail("logit-bias: expected ids in [0, {}), found {}", vocab_size, id);
        check(bias < std::numeric_limits<float>::infinity(), "logit-bias", "a finite number or -inf", bias);
    }
    adjusted_.resize(static_cast<std::size_t>(vocab_size));
    seen_.resize(static_cast<std::size_t>(vocab_size));
    candidates_.reserve(static_cast<std::size_t>(vocab_size));
}

std::int32_t Sampler::sample(std::span<const float> logits, std::span<const std::int32_t> history) {
    VITRO_CHECK(logits.size() == adjusted_.size());
    adjust(logits, history);
    const auto best = std::max_element(adjusted_.begin(), adjusted_.end());
    if (options_.temperature == 0) return static_cast<std::int32_t>(best - adjusted_.begin());

    candidates_.clear();
    for (std::size_t id = 0; id < adjusted_.size(); ++id)
        candidates_.push_back({(adjusted_[id] - *best) / options_.temperature, static_cast<std::int32_t>(id)});
    keep_top_k();
    to_probabilities();
    keep_top_p();
    keep_min_p();

    double sum = 0;
    for (const Candidate& candidate : candidates_) sum += candidate.logit;
    double rest = random_uniform(options_.seed, history.size()) * sum;
    for (const Candidate& candidate : candidates_) {
        rest -= candidate.logit;
        if (rest < 0) return candidate.id;
    }
    return candidates_.front().id;
}

void Sampler::adjust(std::span<const float> logits, std::span<const std::int32_t> history) {
    std::copy(logits.begin(), logits.end(), adjusted_.begin());
    if (options_.repetition_penalty != 1) {
        for (const std::int32_t token : history) {
            const auto id = static_cast<std::size_t>(token);
            if (seen_[id]) continue;
            seen_[id] = true;
            adjusted_[id] = adjusted_[id] < 0 ? adjusted_[id] * options_.repetition_penalty
                                              : adjusted_[id] / options_.repetition_penalty;
        }
        for (const std::int32_t token : history) seen_[static_cast<std::size_t>(token)] = false;
    }
    for (const auto& [id, bias] : options_.logit_bias) adjusted_[static_cast<std::size_t>(id)] += bias;
}

/// Afterwards the candidates stand by falling logit, equal ones by id.
void Sampler::keep_top_k() {
    const auto before = [](const Candidate& a, const Candidate& b) {
        return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
    };
    const auto k = options_.top_k == 0 ? candidates_.size()
                                       : std::min(static_cast<std::size_t>(options_.top_k), candidates_.size());
    std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(k), candidates_.end(),
                      before);
    candidates_.resize(k);
}

void Sampler::to_probabilities() {
    double sum = 0;
    for (const Candidate& candidate : candidates_) sum += std::exp(candidate.logit);
    for (Candidate& candidate : candidates_) candidate.logit = static_cast<float>(std::exp(candidate.logit) / sum);
}

void Sampler::keep_top_p() {
    if (options_.top_p >= 1) return;
    double sum = 0;
    std::size_t kept = 0;
    while (kept < candidates_.size() && (kept == 0 || sum < options_.top_p)) sum += candidates_[kept++].logit;
    candidates_.resize(kept);
}

void Sampler::keep_min_p() {
    const float least = options_.min_p * candidates_.front().logit;
    std::size_t kept = 1;
    while (kept < candidates_.size() && candidates_[kept].logit >= least) ++kept;
    candidates_.resize(kept);
}

}  // namespace vitro
