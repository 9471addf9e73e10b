#include "runtime/sampler.h"
#include "base/error.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>

using namespace vitro;

namespace {

using Tokens = std::vector<std::int32_t>;
using Logits = std::vector<float>;

/// How often each token comes in `draws` draws, one for each length of the history; the history is zeros.
std::map<std::int32_t, int> draw(const SamplingOptions& options, const Logits& logits, int draws) {
    Sampler sampler(options, static_cast<std::int64_t>(logits.size()));
    std::map<std::int32_t, int> counts;
    Tokens history;
    for (int i = 0; i < draws; ++i) {
        ++counts[sampler.sample(logits, history)];
        history.push_back(0);
    }
    return counts;
}

std::set<std::int32_t> drawn(const SamplingOptions& options, const Logits& logits) {
    std::set<std::int32_t> out;
    for (const auto& [token, count] : draw(options, logits, 2000)) out.insert(token);
    return out;
}

/// Logits of these probabilities.
Logits logits_of(std::vector<double> probabilities) {
    Logits out;
    for (const double p : probabilities) out.push_back(static_cast<float>(std::log(p)) + 3.0f);
    return out;
}

/// Checks the shares of 40,000 draws against these probabilities: four standard deviations.
void check_distribution(const SamplingOptions& options, const Logits& logits, const std::vector<double>& expected) {
    constexpr int kDraws = 40000;
    auto counts = draw(options, logits, kDraws);
    for (std::size_t id = 0; id < expected.size(); ++id) {
        CAPTURE(id);
        const double share = counts[static_cast<std::int32_t>(id)] / static_cast<double>(kDraws);
        const double deviation = std::sqrt(expected[id] * (1 - expected[id]) / kDraws);
        CHECK(std::abs(share - expected[id]) <= 4 * deviation);
    }
}

std::string error_of(const SamplingOptions& options) {
    try {
        Sampler(options, 8);
    } catch (const Error& error) {
        return error.what();
    }
    return "(no error)";
}

using Set = std::set<std::int32_t>;

}  // namespace

TEST_CASE("temperature 0 takes the most probable token, the first of equals, whatever else is set") {
    CHECK(drawn({}, {1, 5, 5, -1}) == Set{1});
    CHECK(drawn({.top_k = 3, .top_p = 0.9f, .seed = 7}, {1, 5, 5, -1}) == Set{1});
}

TEST_CASE("sampling follows the softmax of logits over temperature") {
    const std::vector<double> p{0.5, 0.25, 0.125, 0.0625, 0.0625};
    check_distribution({.temperature = 1, .seed = 1}, logits_of(p), p);
    // At temperature 1/2 probabilities are squared, at 2 their roots are taken.
    std::vector<double> squared, roots;
    double squared_sum = 0, roots_sum = 0;
    for (const double x : p) squared_sum += x * x, roots_sum += std::sqrt(x);
    for (const double x : p) squared.push_back(x * x / squared_sum), roots.push_back(std::sqrt(x) / roots_sum);
    check_distribution({.temperature = 0.5f, .seed = 2}, logits_of(p), squared);
    check_distribution({.temperature = 2, .seed = 3}, logits_of(p), roots);
}

TEST_CASE("top-k keeps the k most probable, the first of equals") {
    const Logits logits = logits_of({0.1, 0.3, 0.2, 0.2, 0.2});
    CHECK(drawn({.temperature = 1, .top_k = 1}, logits) == Set{1});
    CHECK(drawn({.temperature = 1, .top_k = 3}, logits) == Set{1, 2, 3});
    CHECK(drawn({.temperature = 1, .top_k = 100}, logits) == Set{0, 1, 2, 3, 4});
    check_distribution({.temperature = 1, .top_k = 2, .seed = 4}, logits_of({0.1, 0.6, 0.3}), {0, 2.0 / 3, 1.0 / 3});
}

TEST_CASE("top-p keeps the fewest tokens that reach the sum") {
    const Logits logits = logits_of({0.05, 0.5, 0.3, 0.15});
    CHECK(drawn({.temperature = 1, .top_p = 0}, logits) == Set{1});
    CHECK(drawn({.temperature = 1, .top_p = 0.45f}, logits) == Set{1});
    CHECK(drawn({.temperature = 1, .top_p = 0.55f}, logits) == Set{1, 2});
    CHECK(drawn({.temperature = 1, .top_p = 0.79f}, logits) == Set{1, 2});
    CHECK(drawn({.temperature = 1, .top_p = 0.81f}, logits) == Set{1, 2, 3});
    CHECK(drawn({.temperature = 1, .top_p = 1}, logits) == Set{0, 1, 2, 3});
    check_distribution({.temperature = 1, .top_p = 0.7f, .seed = 5}, logits, {0, 0.625, 0.375, 0});
}

TEST_CASE("min-p keeps tokens of at least that share of the best one's probability") {
    const Logits logits = logits_of({0.05, 0.5, 0.3, 0.15});
    CHECK(drawn({.temperature = 1, .min_p = 0.05f}, logits) == Set{0, 1, 2, 3});
    CHECK(drawn({.temperature = 1, .min_p = 0.2f}, logits) == Set{1, 2, 3});
    CHECK(drawn({.temperature = 1, .min_p = 0.5f}, logits) == Set{1, 2});
    CHECK(drawn({.temperature = 1, .min_p = 1}, logits) == Set{1});
}

TEST_CASE("top-k comes before top-p: the sum is over what top-k kept") {
    // Of 0.4, 0.3, 0.2, 0.1 top-k 2 leaves 4/7 and 3/7: the first alone reaches 0.5.
    CHECK(drawn({.temperature = 1, .top_k = 2, .top_p = 0.5f}, logits_of({0.4, 0.3, 0.2, 0.1})) == Set{0});
    CHECK(drawn({.temperature = 1, .top_p = 0.5f}, logits_of({0.4, 0.3, 0.2, 0.1})) == Set{0, 1});
}

TEST_CASE("the bias is added to the logits") {
    CHECK(drawn({.logit_bias = {{3, 10.0f}}}, {1, 5, 2, -1}) == Set{3});
    CHECK(drawn({.logit_bias = {{1, -10.0f}}}, {1, 5, 2, -1}) == Set{2});
    const float never = -std::numeric_limits<float>::infinity();
    CHECK(drawn({.temperature = 1, .logit_bias = {{1, never}, {2, never}}}, {1, 5, 2, 1}) == Set{0, 3});
    // ln 3 makes a token three times as probable: 0.5 : 0.5 becomes 0.75 : 0.25.
    check_distribution({.temperature = 1, .logit_bias = {{0, std::log(3.0f)}}, .seed = 6}, {1, 1}, {0.75, 0.25});
}

TEST_CASE("the repetition penalty divides positive and multiplies negative logits, once a token") {
    // As transformers' RepetitionPenaltyLogitsProcessor: 4 becomes 2, -1 becomes -2, however often the token came.
    Sampler sampler({.repetition_penalty = 2}, 3);
    CHECK(sampler.sample(Logits{4, 3, 1}, Tokens{}) == 0);
    CHECK(sampler.sample(Logits{4, 3, 1}, Tokens{0}) == 1);
    CHECK(sampler.sample(Logits{4, 1.9f, 1}, Tokens{0, 0, 0}) == 0);
    CHECK(sampler.sample(Logits{-1, -1.5f, -9}, Tokens{0}) == 1);
    CHECK(sampler.sample(Logits{-1, -2.5f, -9}, Tokens{0, 0}) == 0);
    // What 32 bits do not hold is no logit any more, at whatever temperature.
    for (const float temperature : {0.0f, 1.0f}) {
        Sampler large({.temperature = temperature, .repetition_penalty = 1e-38f}, 3);
        CHECK(large.sample(Logits{9, 1, 0}, Tokens{}) >= 0);
        CHECK_THROWS_WITH_AS(large.sample(Logits{9, 1, 0}, Tokens{0}),
                             doctest::Contains("hold NaN or +Inf after logit-bias and repeat-penalty"), Error);
    }
    CHECK(sampler.sample(Logits{4, 3, 1}, Tokens{}) == 0);  // nothing is left of earlier histories
    // Probabilities e^2 : e^1 after the penalty of 2 on both 4 and 2; any seed draws by them.
    const double e = std::exp(1.0);
    int first = 0;
    for (std::uint64_t seed = 0; seed < 20000; ++seed)
        first += Sampler({.temperature = 1, .repetition_penalty = 2, .seed = seed}, 2)
                     .sample(Logits{4, 2}, Tokens{0, 1, 1}) == 0;
    CHECK(std::abs(first / 20000.0 - e / (e + 1)) < 0.015);
    // The bias comes before the penalty, as transformers orders SequenceBiasLogitsProcessor and this one: (4 + 1) / 2
    // is 2.5, not 4 / 2 + 1.
    Sampler both({.repetition_penalty = 2, .logit_bias = {{0, 1.0f}}}, 2);
    CHECK(both.sample(Logits{4, 2.4f}, Tokens{0}) == 0);
    CHECK(both.sample(Logits{4, 2.6f}, Tokens{0}) == 1);
    // A bias that turns the sign of a logit decides whether the penalty divides or multiplies: 1 - 3 = -2 becomes -4.
    Sampler turned({.repetition_penalty = 2, .logit_bias = {{0, -3.0f}}}, 2);
    CHECK(turned.sample(Logits{1, -3.9f}, Tokens{0}) == 1);
    CHECK(turned.sample(Logits{1, -4.1f}, Tokens{0}) == 0);
}

TEST_CASE("the same seed draws the same tokens, another one others") {
    const Logits logits(50, 1.0f);
    const auto sequence = [&](std::uint64_t seed) {
        Sampler sampler({.temperature = 1, .seed = seed}, 50);
        Tokens out;
        while (out.size() < 40) out.push_back(sampler.sample(logits, out));
        return out;
    };
    CHECK(sequence(1) == sequence(1));
    CHECK(sequence(1) != sequence(2));
    // The draw depends on the number of tokens so far, not on what was drawn before.
    Sampler a({.temperature = 1, .seed = 1}, 50), b({.temperature = 1, .seed = 1}, 50);
    for (int i = 0; i < 10; ++i) a.sample(logits, Tokens(static_cast<std::size_t>(i)));
    CHECK(a.sample(logits, Tokens(10)) == b.sample(logits, Tokens(10)));
}

TEST_CASE("options out of range are refused by name") {
    const float infinity = std::numeric_limits<float>::infinity(), nan = std::nanf("");
    CHECK(error_of({.temperature = -1}).starts_with("temperature: expected a number of at least 0, found -1"));
    CHECK(error_of({.temperature = infinity}).starts_with("temperature: "));
    CHECK(error_of({.temperature = nan}).starts_with("temperature: "));
    CHECK(error_of({.top_k = -1}).starts_with("top-k: "));
    CHECK(error_of({.top_p = 1.5f}).starts_with("top-p: expected a number in [0, 1], found 1.5"));
    CHECK(error_of({.top_p = nan}).starts_with("top-p: "));
    CHECK(error_of({.min_p = -0.1f}).starts_with("min-p: "));
    CHECK(error_of({.repetition_penalty = 0}).starts_with("repeat-penalty: "));
    CHECK(error_of({.logit_bias = {{8, 1.0f}}}) == "logit-bias: expected ids in [0, 8), found 8");
    CHECK(error_of({.logit_bias = {{-1, 1.0f}}}).starts_with("logit-bias: "));
    CHECK(error_of({.logit_bias = {{1, nan}}}).starts_with("logit-bias: "));
    CHECK(error_of({.logit_bias = {{1, infinity}}}).starts_with("logit-bias: "));
    CHECK(error_of({.logit_bias = {{1, -infinity}}}) == "(no error)");
}
