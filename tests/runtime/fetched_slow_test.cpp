// Published models, where they were fetched (`./dev fetch smollm2 gemma3-270m minilm`): SmolLM2-135M-Instruct (Q4_1 and
// Q8_0) and Gemma 3 270M (Q4_K_M) from GGUF files, all-MiniLM-L6-v2 from a directory.
#include "frontend/json.h"
#include "frontend/pooling_config.h"
#include "frontend/tokenizer/tokenizer.h"
#include "runtime/open_model.h"
#include "runtime/text_vectors.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

using namespace vitro;
using namespace vitro::test;

namespace {

struct Fetched {
    std::string name;
    std::filesystem::path path;
    double most_error;         // of logits, NMSE
    std::size_t least_agreed;  // greedy tokens that rounded activations leave as llama.cpp has them
};

/// Those that are there; the others are named.
std::vector<Fetched> fetched() {
    std::vector<Fetched> out;
    for (const Fetched& model : {Fetched{"smollm2", source_path("build/models/smollm2/model.gguf"), 1e-6, 4},
                                 Fetched{"gemma3-270m", source_path("build/models/gemma3-270m/model.gguf"), 1e-6, 1}}) {
        if (std::filesystem::exists(model.path))
            out.push_back(model);
        else
            MESSAGE("SKIPPED: it is not there; ./dev fetch ", model.name);
    }
    return out;
}

JsonValue golden_of(const Fetched& model) {
    return JsonValue::read(source_path(fmt::format("tests/golden/{}.json", model.name)));
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

TEST_CASE("a fetched model with exact products gives transformers' logits and greedy tokens") {
    for (const Fetched& model : fetched()) {
        CAPTURE(model.name);
        const JsonValue golden = golden_of(model);
        const std::int64_t step = golden.at("step").integer(1, 1 << 20);
        LoadedModel loaded(model.path, {.context = 256, .passes = {.exact = true}});
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
            CHECK(error / power <= model.most_error);
            const auto expected = ids_of(prompt.at("greedy"));
            CHECK(expected.size() >= 32);
            CHECK(greedy(loaded.model, ids, expected.size()) == expected);
        }
    }
}

TEST_CASE("a fetched model's first greedy tokens are llama.cpp's, and where they part the two are nearly tied") {
    for (const Fetched& model : fetched()) {
        CAPTURE(model.name);
        const JsonValue golden = golden_of(model);
        LoadedModel rounded(model.path, {.context = 256}),
            exact(model.path, {.context = 256, .passes = {.exact = true}});
        std::size_t i = 0, agreed = 0, all = 0;
        for (const JsonValue& prompt : golden.at("transformers").at("prompts").array()) {
            CAPTURE(prompt.at("text").string());
            std::vector<std::int32_t> text = ids_of(prompt.at("ids"));
            const auto expected = ids_of(golden.at("llama_cpp").at("greedy").array()[i++]);
            const auto found = greedy(rounded.model, text, expected.size());
            const auto [theirs, ours] = std::mismatch(expected.begin(), expected.end(), found.begin());
            const auto same = static_cast<std::size_t>(theirs - expected.begin());
            agreed += same;
            all += expected.size();
            CHECK(same >= model.least_agreed);
            if (theirs == expected.end()) continue;
            // Rounding moves logits by about this much, so a smaller gap between the two is no matter of the model.
            text.insert(text.end(), expected.begin(), theirs);
            const auto near = logits_behind(rounded.model, text), sharp = logits_behind(exact.model, text);
            float moved = 0;
            for (std::size_t j = 0; j < near.size(); ++j) moved = std::max(moved, std::abs(near[j] - sharp[j]));
            CHECK(std::abs(sharp[std::size_t(*theirs)] - sharp[std::size_t(*ours)]) <= 2 * moved);
        }
        MESSAGE(model.name, ": ", agreed, " of ", all, " tokens are llama.cpp's");
        CHECK(i >= 3);
    }
}

TEST_CASE("all-MiniLM-L6-v2 gives transformers' vectors, with a cosine of at least 0.99999") {
    const std::filesystem::path path = source_path("build/models/minilm");
    if (!std::filesystem::exists(path / "config.json")) {
        MESSAGE("SKIPPED: it is not there; ./dev fetch minilm");
        return;
    }
    OpenOptions options{.device = "cpu", .threads = 2};
    options.model = {.context = 0, .max_sequences = 3, .all_logits = true, .hidden_states = true};
    const OpenModel open = open_model(path, options);
    const Tokenizer tokenizer = Tokenizer::load(path);
    std::vector<std::vector<std::int32_t>> texts;
    std::vector<std::vector<double>> expected;
    for (const JsonValue& text :
         JsonValue::read(source_path("tests/golden/minilm.json")).at("transformers").at("texts").array()) {
        texts.push_back(tokenizer.encode(text.at("text").string()));
        CHECK(texts.back() == ids_of(text.at("ids")));
        std::vector<double>& vector = expected.emplace_back();
        for (const JsonValue& number : text.at("vector").array()) vector.push_back(number.number());
    }
    REQUIRE(texts.size() == 5);
    const auto found = text_vectors(*open.model, texts, read_pooling(path, open.config));
    for (std::size_t i = 0; i < texts.size(); ++i) {
        CAPTURE(i);
        REQUIRE(found[i].size() == 384);
        REQUIRE(expected[i].size() == 384);
        double product = 0, length = 0;
        for (std::size_t j = 0; j < found[i].size(); ++j) {
            product += double(found[i][j]) * expected[i][j];
            length += double(found[i][j]) * double(found[i][j]);
        }
        CHECK(product / std::sqrt(length) >= 0.99999);
        CHECK(length == doctest::Approx(1).epsilon(1e-5));
    }
}
