#include "runtime/sampling_steps.h"

#include "base/random.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace vitro {
namespace {

/// All tokens by falling logit, with the probabilities of a softmax.
SamplingStep softmax_step(std::string name, std::span<const float> logits) {
    const float most = *std::max_element(logits.begin(), logits.end());
    SamplingStep out{std::move(name), {}};
    std::vector<std::int32_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
        return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
    });
    double sum = 0;
    for (const std::int32_t id : order) {
        const float logit = logits[static_cast<std::size_t>(id)];
        if (logit == -std::numeric_limits<float>::infinity()) continue;
        out.candidates.emplace_back(id, std::exp(static_cast<double>(logit - most)));
        sum += out.candidates.back().second;
    }
    for (auto& [id, probability] : out.candidates) probability /= sum;
    return out;
}

std::uint64_t weight_of(std::span<const SampleCandidate> candidates) {
    std::uint64_t sum = 0;
    for (const SampleCandidate& candidate : candidates) sum += candidate.weight;
    return sum;
}

SamplingStep step_of(std::string name, std::span<const SampleCandidate> candidates) {
    SamplingStep out{std::move(name), {}};
    const auto all = static_cast<double>(weight_of(candidates));
    for (const SampleCandidate& candidate : candidates)
        out.candidates.emplace_back(token_of_order(candidate.order), static_cast<double>(candidate.weight) / all);
    return out;
}

}  // namespace

ExplainedChoice explain_choice(std::span<const float> logits, std::span<const std::int32_t> history,
                               const SamplingOptions& options) {
    std::vector<float> adjusted(logits.begin(), logits.end());
    ExplainedChoice out;
    out.steps.push_back(softmax_step("logits", adjusted));
    if (!options.logit_bias.empty()) {
        add_bias(adjusted, options.logit_bias);
        out.steps.push_back(softmax_step("logit bias", adjusted));
    }
    if (options.repetition_penalty != 1) {
        std::vector<bool> seen(adjusted.size());
        penalize(adjusted, history, options.repetition_penalty, seen);
        out.steps.push_back(softmax_step(fmt::format("repetition penalty {:g}", options.repetition_penalty), adjusted));
    }
    const SampleRow row = sample_row(options, history.size());
    if (!(row.temperature > 0) || out.steps.back().candidates.empty()) {
        const auto best = std::max_element(adjusted.begin(), adjusted.end()) - adjusted.begin();
        out.token = static_cast<std::int32_t>(best);
        if (!out.steps.back().candidates.empty()) out.probability = out.steps.back().candidates.front().second;
        return out;
    }

    // The whole numbers that the op `sample` computes with (ops/sample/candidate.h), sorted as a whole.
    const float largest = *std::max_element(adjusted.begin(), adjusted.end());
    std::vector<SampleCandidate> left;
    for (std::size_t i = 0; i < adjusted.size(); ++i) {
        const float distance = sample_distance(adjusted[i], largest, row.temperature);
        if (distance <= kFarthestCandidate)
            left.push_back({sample_order(distance, static_cast<std::int32_t>(i)), sample_weight(distance)});
    }
    std::sort(left.begin(), left.end(),
              [](const SampleCandidate& a, const SampleCandidate& b) { return a.order < b.order; });
    out.steps.push_back(step_of(fmt::format("temperature {:g}", row.temperature), left));
    if (row.top_k > 0) {
        left.resize(std::min(left.size(), static_cast<std::size_t>(row.top_k)));
        out.steps.push_back(step_of(fmt::format("top-k {}", row.top_k), left));
    }
    if (row.top_p < 1) {
        const std::uint64_t wanted = top_p_weight(row.top_p, weight_of(left));
        std::size_t kept = 0;
        for (std::uint64_t reached = 0; reached < wanted; ++kept) reached += left[kept].weight;
        left.resize(kept);
        out.steps.push_back(step_of(fmt::format("top-p {:g}", row.top_p), left));
    }
    if (row.min_p > 0) {
        const std::uint64_t least = min_p_weight(row.min_p);
        std::erase_if(left, [&](const SampleCandidate& candidate) { return candidate.weight < least; });
        out.steps.push_back(step_of(fmt::format("min-p {:g}", row.min_p), left));
    }
    const float uniform = random_uniform(row.seed, static_cast<std::uint64_t>(row.position));
    const std::uint64_t drawn = drawn_weight(uniform, weight_of(left));
    out.drawn = static_cast<double>(uniform);
    std::uint64_t passed = 0;
    for (std::size_t i = 0; i < left.size() && passed <= drawn; ++i) {
        passed += left[i].weight;
        out.token = token_of_order(left[i].order);
        out.probability = out.steps.back().candidates[i].second;
    }
    return out;
}

}  // namespace vitro
