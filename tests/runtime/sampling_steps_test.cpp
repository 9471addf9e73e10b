#include "runtime/sampling_steps.h"

#include "base/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace vitro::test {
namespace {

double sum_of(const SamplingStep& step) {
    double sum = 0;
    for (const auto& [id, probability] : step.candidates) sum += probability;
    return sum;
}

}  // namespace

TEST_CASE("the explained choice is the sampler's, and each filter leaves some of those before it") {
    Random random(5);
    for (int draw = 0; draw < 2000; ++draw) {
        const std::int64_t vocab = random.integer(1, 60);
        std::vector<float> logits;
        for (std::int64_t i = 0; i < vocab; ++i)
            logits.push_back(random.integer(0, 19) == 0 ? -std::numeric_limits<float>::infinity()
                                                        : 4 * std::round(4 * random.normal()) / 4);
        logits[0] = 0;
        std::vector<std::int32_t> history;
        for (std::int64_t i = random.integer(0, 9); i > 0; --i)
            history.push_back(static_cast<std::int32_t>(random.integer(0, vocab - 1)));
        SamplingOptions options{.seed = static_cast<std::uint64_t>(draw)};
        if (random.integer(0, 4) > 0) options.temperature = 0.1f + 2 * random.uniform();
        if (random.integer(0, 1) > 0) options.top_k = random.integer(1, 20);
        if (random.integer(0, 1) > 0) options.top_p = random.uniform();
        if (random.integer(0, 1) > 0) options.min_p = random.uniform();
        if (random.integer(0, 1) > 0) options.repetition_penalty = 1 + random.uniform();
        if (random.integer(0, 1) > 0) options.logit_bias[0] = random.normal();
        CAPTURE(draw);
        const ExplainedChoice choice = explain_choice(logits, history, options);
        CHECK(choice.token == Sampler(options, vocab).sample(logits, history));
        std::set<std::int32_t> left;
        for (const SamplingStep& step : choice.steps) {
            CAPTURE(step.name);
            REQUIRE(!step.candidates.empty());
            CHECK(std::abs(sum_of(step) - 1) < 1e-9);
            std::set<std::int32_t> now;
            for (std::size_t i = 0; i < step.candidates.size(); ++i) {
                now.insert(step.candidates[i].first);
                if (i > 0) CHECK(step.candidates[i].second <= step.candidates[i - 1].second * (1 + 1e-6));
            }
            CHECK((left.empty() || std::includes(left.begin(), left.end(), now.begin(), now.end())));
            left = now;
        }
        CHECK(left.contains(choice.token));
        CHECK(choice.probability > 0);
    }
}

TEST_CASE("filters of known probabilities: a half, a quarter, an eighth, an eighth") {
    const std::vector<float> logits{std::log(0.125f), std::log(0.5f), std::log(0.25f), std::log(0.125f)};
    const ExplainedChoice choice =
        explain_choice(logits, {}, {.temperature = 1, .top_k = 3, .top_p = 0.8f, .min_p = 0.6f});
    REQUIRE(choice.steps.size() == 5);
    CHECK(choice.steps[0].name == "logits");
    CHECK(choice.steps[0].candidates.size() == 4);
    CHECK(choice.steps[0].candidates[0].first == 1);
    CHECK(choice.steps[0].candidates[1].second == doctest::Approx(0.25));
    CHECK(choice.steps[1].name == "temperature 1");
    CHECK(choice.steps[2].name == "top-k 3");
    CHECK(choice.steps[2].candidates[0].second == doctest::Approx(0.5 / 0.875));
    CHECK(choice.steps[3].name == "top-p 0.8");  // 0.571 + 0.286 reach it
    CHECK(choice.steps[3].candidates.size() == 2);
    CHECK(choice.steps[3].candidates[0].second == doctest::Approx(2.0 / 3));
    CHECK(choice.steps[4].name == "min-p 0.6");
    CHECK(choice.steps[4].candidates.size() == 1);
    CHECK(choice.token == 1);
    CHECK(choice.probability == 1);
}

TEST_CASE("without a temperature the largest logit is taken, after bias and penalty") {
    const std::vector<float> logits{1, 3, 2};
    const std::vector<std::int32_t> history{1};
    const ExplainedChoice choice =
        explain_choice(logits, history, {.repetition_penalty = 2, .logit_bias = {{0, 0.25f}}});
    REQUIRE(choice.steps.size() == 3);
    CHECK(choice.steps[1].name == "logit bias");
    CHECK(choice.steps[1].candidates[0].first == 1);
    CHECK(choice.steps[2].name == "repetition penalty 2");
    CHECK(choice.steps[2].candidates[0].first == 2);
    CHECK(choice.token == 2);
    CHECK(choice.drawn == 0);
}

}  // namespace vitro::test
