// SmolLM2-135M-Instruct from its GGUF file (Q4_1 and Q8_0), where it was fetched: `./dev fetch smollm2`.
#include "frontend/json.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

using namespace vitro;
using namespace vitro::test;

namespace {

std::filesystem::path model_path() { return source_path("build/models/smollm2/model.gguf"); }

bool is_fetched() {
    if (std::filesystem::exists(model_path())) return true;
    MESSAGE("SKIPPED: SmolLM2 is not there; ./dev fetch smollm2");
    return false;
}

std::vector<std::int32_t> ids_of(const JsonValue& list) {
    std::vector<std::int32_t> out;
    for (const JsonValue& id : list.array()) out.push_back(static_cast<std::int32_t>(id.integer(0, 1 << 20)));
    return out;
}

std::vector<float> logits_behind(LanguageModel& model, std::span<const std::int32_t> tokens) {
    model.truncate(0, 0);
    const auto values = append(model, {.tokens = tokens}).values;
    return {values.begin(), values.end()};
}

std::vector<std::int32_t> greedy(LanguageModel& model, std::span<const std::int32_t> prompt, std::size_t n) {
    std::vector<std::int32_t> out;
    model.truncate(0, 0);
    std::vector<std::int32_t> next(prompt.begin(), prompt.end());
    while (out.size() < n) {
        const auto row = append(model, {.tokens = next}).values;
        out.push_back(static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
        next = {out.back()};
    }
    return out;
}

}  // namespace

TEST_CASE("SmolLM2 with exact products gives transformers' logits and 64 greedy tokens") {
    if (!is_fetched()) return;
    const JsonValue golden = JsonValue::read(source_path("tests/golden/smollm2.json"));
    const std::int64_t step = golden.at("step").integer(1, 1 << 20);
    LoadedModel loaded(model_path(), {.context = 256, .passes = {.exact = true}});
    for (const JsonValue& prompt : golden.at("transformers").at("prompts").array()) {
        CAPTURE(prompt.at("text").string());
        const auto ids = ids_of(prompt.at("ids"));
        const std::vector<float> logits = logits_behind(loaded.model, ids);
        double error = 0, power = 0;
        std::size_t at = 0;
        for (const JsonValue& expected : prompt.at("logits").array()) {
            REQUIRE(at < logits.size());
            error += std::pow(double(logits[at]) - expected.number(), 2);
            power += std::pow(expected.number(), 2);
            at += static_cast<std::size_t>(step);
        }
        CHECK(at >= logits.size());
        CHECK(error / power <= 1e-6);
        const auto expected = ids_of(prompt.at("greedy"));
        CHECK(expected.size() == 64);
        CHECK(greedy(loaded.model, ids, expected.size()) == expected);
    }
}

TEST_CASE("SmolLM2's first greedy tokens are llama.cpp's, and where they part the two are nearly tied") {
    if (!is_fetched()) return;
    const JsonValue golden = JsonValue::read(source_path("tests/golden/smollm2.json"));
    LoadedModel rounded(model_path(), {.context = 256}),
        exact(model_path(), {.context = 256, .passes = {.exact = true}});
    std::size_t i = 0, agreed = 0;
    for (const JsonValue& prompt : golden.at("transformers").at("prompts").array()) {
        CAPTURE(prompt.at("text").string());
        std::vector<std::int32_t> text = ids_of(prompt.at("ids"));
        const auto expected = ids_of(golden.at("llama_cpp").at("greedy").array()[i++]);
        const auto found = greedy(rounded.model, text, expected.size());
        const auto [theirs, ours] = std::mismatch(expected.begin(), expected.end(), found.begin());
        agreed += static_cast<std::size_t>(theirs - expected.begin());
        CHECK(theirs - expected.begin() >= 4);
        if (theirs == expected.end()) continue;
        // Rounding moves logits by about this much, so a smaller gap between the two is no matter of the model.
        text.insert(text.end(), expected.begin(), theirs);
        const auto near = logits_behind(rounded.model, text), sharp = logits_behind(exact.model, text);
        float moved = 0;
        for (std::size_t j = 0; j < near.size(); ++j) moved = std::max(moved, std::abs(near[j] - sharp[j]));
        CHECK(std::abs(sharp[std::size_t(*theirs)] - sharp[std::size_t(*ours)]) <= 2 * moved);
    }
    MESSAGE(agreed, " of ", 64 * i, " tokens are llama.cpp's");
    CHECK(i == 10);
}
