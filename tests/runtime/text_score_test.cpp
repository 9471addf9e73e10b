#include "runtime/text_score.h"

#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace vitro;
using namespace vitro::test;

namespace {

std::vector<std::int32_t> random_tokens(std::int64_t n, std::int64_t vocabulary) {
    Random random(7);
    std::vector<std::int32_t> tokens;
    for (std::int64_t i = 0; i < n; ++i) tokens.push_back(static_cast<std::int32_t>(random.integer(3, vocabulary - 1)));
    return tokens;
}

/// Minus the log-probability of each token from the one with index `first` on, from one row at a time.
std::vector<double> losses(LanguageModel& model, std::span<const std::int32_t> window, std::size_t first) {
    std::vector<double> out;
    model.truncate(0, 0);
    for (std::size_t i = 0; i + 1 < window.size(); ++i) {
        const auto row = append(model, {.tokens = window.subspan(i, 1), .want = Want::log_probabilities}).values;
        if (i + 1 >= first) out.push_back(-double(row[static_cast<std::size_t>(window[i + 1])]));
    }
    return out;
}

}  // namespace

TEST_CASE("the score of a text is the mean of what single steps say of the second halves of its windows") {
    LoadedModel loaded = load_golden("llama_gqa_tied", {.context = 32, .chunk = 5, .all_logits = true});
    const auto tokens = random_tokens(50, loaded.model.config().vocab_size);
    const TextScore score = score_text(loaded.model, nullptr, tokens, 20);  // 10 tokens are left out
    CHECK(score.windows == 2);
    CHECK(score.scored == 20);
    CHECK_FALSE(score.agreement);
    std::vector<double> all;
    for (const std::size_t begin : {0, 20})
        for (const double loss : losses(loaded.model, std::span(tokens).subspan(begin, 20), 10)) all.push_back(loss);
    REQUIRE(all.size() == 20);
    double mean = 0, squares = 0;
    for (const double loss : all) mean += loss / 20;
    for (const double loss : all) squares += std::pow(loss - mean, 2);
    CHECK(score.loss.value == doctest::Approx(mean).epsilon(1e-5));
    CHECK(score.loss.error == doctest::Approx(std::sqrt(squares / 19 / 20)).epsilon(1e-4));
}

TEST_CASE("a text shorter than a window is predicted from its second token on") {
    LoadedModel loaded = load_golden("phi3_gqa", {.context = 32, .all_logits = true});
    const auto tokens = random_tokens(7, loaded.model.config().vocab_size);
    const TextScore score = score_text(loaded.model, nullptr, tokens, 20);
    CHECK(score.windows == 1);
    CHECK(score.scored == 6);
}

TEST_CASE("a model agrees with itself, and less with itself in fp8") {
    const LanguageModelOptions options{.context = 32, .all_logits = true};
    LanguageModelOptions rounded = options;
    rounded.passes.enabled = {"quantize_weights"};
    LoadedModel a = load_golden("phi3_gqa", options), b = load_golden("phi3_gqa", options),
                c = load_golden("phi3_gqa", rounded);
    const auto tokens = random_tokens(64, a.model.config().vocab_size);
    const TextScore same = score_text(a.model, &b.model, tokens, 16), near = score_text(c.model, &b.model, tokens, 16);
    REQUIRE(same.agreement);
    CHECK(same.agreement->divergence.value == doctest::Approx(0).epsilon(1e-9));
    CHECK(same.agreement->same_best == 1);
    CHECK(same.agreement->other_loss.value == same.loss.value);
    CHECK(near.agreement->divergence.value > 1e-7);
    CHECK(near.agreement->divergence.value < 0.05);
    CHECK(near.agreement->most >= near.agreement->divergence.value);
    CHECK(near.agreement->other_loss.value == same.loss.value);
}

TEST_CASE("what cannot be scored is an error") {
    LoadedModel loaded = load_golden("phi3_gqa", {.context = 32, .all_logits = true}),
                other = load_golden("llama_bias", {.context = 16, .all_logits = true});
    const std::vector<std::int32_t> tokens(40, 5);
    const auto error = [&](LanguageModel* second, std::size_t n, std::int64_t window) -> std::string {
        try {
            score_text(loaded.model, second, std::span(tokens).first(n), window);
        } catch (const Error& e) {
            return e.what();
        }
        return "(no error)";
    };
    CHECK(error(nullptr, 1, 16) == "expected a text of at least 2 tokens, found 1");
    CHECK(error(nullptr, 40, 33) == "windows: expected 2 to 32 tokens, the model's context, found 33");
    CHECK(error(&other.model, 40, 20) == "windows: expected at most 16 tokens, the other model's context, found 20");
}
