#include "runtime/sampler.h"

#include "base/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace vitro {
namespace {

void check(bool ok, const char* option, const char* expected, double found) {
    if (!ok) fail("{}: expected {}, found {}", option, expected, found);
}

}  // namespace

SampleRow sample_row(const SamplingOptions& options, std::size_t position) {
    constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
    return {.temperature = options.temperature,
            .top_p = options.top_p,
            .min_p = options.min_p,
            .top_k = static_cast<std::int32_t>(std::min(options.top_k, kMost)),
            .position = static_cast<std::int32_t>(position),
            .seed = options.seed};
}

bool samples_by_row(const SamplingOptions& options) {
    return options.repetition_penalty == 1 && options.logit_bias.empty();
}

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
    candidates_.resize(static_cast<std::size_t>(vocab_size));
}

std::int32_t Sampler::sample(std::span<const float> logits, std::span<const std::int32_t> history) {
    if (logits.size() != adjusted_.size())
        fail("logits: expected {} of them, the vocabulary, found {}", adjusted_.size(), logits.size());
    for (const std::int32_t id : history)
        if (id < 0 || static_cast<std::size_t>(id) >= adjusted_.size())
            fail("token id {}: expected an id in [0, {})", id, adjusted_.size());
    adjust(logits, history);
    const std::int32_t token =
        choose_token(adjusted_.data(), std::ssize(adjusted_), sample_row(options_, history.size()), candidates_.data());
    if (token < 0)
        fail("the logits hold NaN or +Inf after logit-bias and repeat-penalty ({}): expected numbers",
             options_.repetition_penalty);
    return token;
}

void Sampler::adjust(std::span<const float> logits, std::span<const std::int32_t> history) {
    std::copy(logits.begin(), logits.end(), adjusted_.begin());
    add_bias(adjusted_, options_.logit_bias);
    penalize(adjusted_, history, options_.repetition_penalty, seen_);
}

void add_bias(std::span<float> logits, const std::map<std::int32_t, float>& bias) {
    for (const auto& [id, added] : bias) logits[static_cast<std::size_t>(id)] += added;
}

void penalize(std::span<float> logits, std::span<const std::int32_t> history, float penalty, std::vector<bool>& seen) {
    if (penalty == 1) return;
    for (const std::int32_t token : history) {
        const auto id = static_cast<std::size_t>(token);
        if (seen[id]) continue;
        seen[id] = true;
        logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
    }
    for (const std::int32_t token : history) seen[static_cast<std::size_t>(token)] = false;
}

}  // namespace vitro
