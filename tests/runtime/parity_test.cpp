// The whole path against Hugging Face transformers, on the models of tests/golden (random weights; see its README).
#include "backends/cpu/cpu_backend.h"
#include "frontend/config.h"
#include "frontend/json.h"
#include "ops/linear/linear.h"
#include "ops/op_list.h"
#include "runtime/append.h"
#include "tests/paths.h"
#include "tests/runtime/errors.h"
#include "tests/runtime/golden_file.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

using namespace vitro;
using vitro::test::exact;
using vitro::test::values;

namespace {

const std::filesystem::path kSource = vitro::test::source_path();

struct Golden {
    std::string name;
    std::filesystem::path directory;
    std::vector<std::int32_t> tokens, greedy;
    std::vector<float> logits_f32, logits_bf16;  // [tokens, vocab]
};

std::vector<Golden> goldens() {
    std::vector<Golden> out;
    for (const JsonValue& entry : JsonValue::read(kSource / "tests/golden/golden.json").at("goldens").array()) {
        const auto file = SafetensorsFile::open(kSource / entry.at("golden").string());
        out.push_back({std::string(entry.at("name").string()), kSource / entry.at("model").string(),
                       values<std::int32_t>(file, "tokens"), values<std::int32_t>(file, "greedy_f32"),
                       values<float>(file, "logits_f32"), values<float>(file, "logits_bf16")});
    }
    REQUIRE(out.size() >= 20);
    return out;
}

struct Loaded {
    CpuBackend backend{2};
    LanguageModel model;

    explicit Loaded(const Golden& golden, LanguageModelOptions options = {})
        : model(golden.directory, read_model_config(golden.directory), {{backend, cpu_kernels()}}, options) {}

    std::vector<float> all_logits(std::span<const std::int32_t> tokens, std::int64_t sequence = 0) {
        std::vector<float> out;
        append(model, {.sequence = sequence, .tokens = tokens, .all_rows = true},
               [&](const PartResult& result) { out.insert(out.end(), result.values.begin(), result.values.end()); });
        return out;
    }
    std::span<const float> last_logits(std::span<const std::int32_t> tokens) {
        return append(model, {.tokens = tokens}).values;
    }
};

std::int32_t argmax(std::span<const float> logits) {
    return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// The largest |found - expected| / (1 + |expected|): at most 1e-4 means within rtol = atol = 1e-4.
double largest_error(std::span<const float> found, std::span<const float> expected) {
    double worst = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const double error = std::abs(static_cast<double>(found[i]) - static_cast<double>(expected[i]));
        worst = std::max(worst, std::isfinite(error) ? error / (1 + std::abs(static_cast<double>(expected[i]))) : 1e30);
    }
    return worst;
}

std::vector<std::int32_t> greedy(Loaded& loaded, std::vector<std::int32_t> tokens, std::size_t count, bool use_cache) {
    std::vector<std::int32_t> out;
    std::span<const float> logits = loaded.last_logits(tokens);
    for (;;) {
        out.push_back(argmax(logits));
        if (out.size() == count) return out;
        tokens.push_back(out.back());
        if (!use_cache) loaded.model.truncate(0, 0);
        logits = loaded.last_logits(use_cache ? std::span(tokens).last(1) : std::span(tokens));
    }
}

}  // namespace

TEST_CASE("logits of all positions agree with transformers") {
    for (const Golden& golden : goldens()) {
        CAPTURE(golden.name);
        Loaded loaded(golden, exact({.all_logits = true}));
        const auto logits = loaded.all_logits(golden.tokens);
        REQUIRE(logits.size() == golden.logits_f32.size());
        CHECK(largest_error(logits, golden.logits_f32) <= 1e-4);
        CHECK(test::nmse(logits, golden.logits_bf16) <= 1e-4);
    }
}

TEST_CASE("where activations are rounded to bf16, logits of all positions are near those of fp32 math") {
    bool any = false;
    for (const Golden& golden : goldens()) {
        CAPTURE(golden.name);
        Loaded loaded(golden, {.all_logits = true});
        const std::vector<Node>& nodes = loaded.model.program(Phase::prefill).graph.nodes;
        const bool rounds = std::any_of(nodes.begin(), nodes.end(), [](const Node& node) {
            return node.op == &kLinear && node.attributes.as<Linear>().x_rounded;
        });
        if (!rounds) continue;
        any = true;
        const double error = test::nmse(loaded.all_logits(golden.tokens), golden.logits_f32);
        CHECK(error > 0);
        CHECK(error <= 1e-3);
    }
    if (!any) MESSAGE("not checked: this CPU, or VITRO_ISA, has no products of bf16");
}

TEST_CASE("64 greedy tokens are those of transformers") {
    for (const Golden& golden : goldens()) {
        CAPTURE(golden.name);
        Loaded loaded(golden, exact());
        CHECK(greedy(loaded, golden.tokens, golden.greedy.size(), true) == golden.greedy);
    }
}

TEST_CASE("without the cache the same tokens come") {
    for (const Golden& golden : goldens()) {
        CAPTURE(golden.name);
        Loaded loaded(golden, exact());
        CHECK(greedy(loaded, golden.tokens, 16, false) ==
              std::vector(golden.greedy.begin(), golden.greedy.begin() + 16));
    }
}

TEST_CASE("a prompt in chunks of any size gives the same logits, bit for bit") {
    for (const Golden& golden : goldens()) {
        CAPTURE(golden.name);
        std::vector<float> whole;
        for (const std::int64_t chunk : {64, 1, 3, 16}) {
            CAPTURE(chunk);
            Loaded loaded(golden, {.chunk = chunk, .all_logits = true});
            const auto logits = loaded.all_logits(golden.tokens);
            if (whole.empty()) whole = logits;
            CHECK(logits == whole);
        }
    }
}

TEST_CASE("two packed prompts give what each gives alone") {
    for (const Golden& golden : goldens()) {
        CAPTURE(golden.name);
        std::vector<std::int32_t> other(golden.tokens.rbegin(), golden.tokens.rend());
        other.resize(std::max<std::size_t>(1, other.size() / 2));
        Loaded alone(golden, {.all_logits = true}), packed(golden, {.max_sequences = 2, .all_logits = true});
        std::vector<float> expected = alone.all_logits(golden.tokens);
        alone.model.truncate(0, 0);
        const auto second = alone.all_logits(other);
        expected.insert(expected.end(), second.begin(), second.end());

        const StepPart parts[] = {{.sequence = 0, .tokens = golden.tokens, .all_rows = true},
                                  {.sequence = 1, .tokens = other, .all_rows = true}};
        std::vector<float> logits;
        for (const PartResult& result : packed.model.step(parts))
            logits.insert(logits.end(), result.values.begin(), result.values.end());
        REQUIRE(logits.size() == expected.size());
        // Attention in simple ops sums over the keys of all sequences, those of others as zeros: where these stand, the
        // order of the sum changes.
        const std::vector<Node>& nodes = packed.model.program(Phase::prefill).graph.nodes;
        const bool is_simple =
            std::any_of(nodes.begin(), nodes.end(), [](const Node& node) { return node.op->name == "masked_matmul"; });
        const double bound = is_simple ? 1e-5 : 0;
        CHECK(largest_error(logits, expected) <= bound);
        // One more token for both, in one step.
        const std::int32_t next[] = {3, 5};
        const StepPart more[] = {{.sequence = 1, .tokens = std::span(next).first(1)},
                                 {.sequence = 0, .tokens = std::span(next).last(1)}};
        const auto after = packed.model.step(more).front().values;
        const auto alone_second = alone.last_logits(std::span(next).first(1));
        CHECK(largest_error(after, alone_second) <= bound);
    }
}

TEST_CASE("a sequence can be cut back and go on") {
    const Golden golden = goldens().front();
    Loaded loaded(golden);
    const auto whole = loaded.last_logits(golden.tokens);
    const std::vector<float> first(whole.begin(), whole.end());
    loaded.model.truncate(0, static_cast<std::int64_t>(golden.tokens.size()) - 3);
    const auto again = loaded.last_logits(std::span(golden.tokens).last(3));
    CHECK(std::equal(again.begin(), again.end(), first.begin()));
}
