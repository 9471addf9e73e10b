// A model on two devices, one of which has only a few kernels.
#include "tests/graph/far_device.h"
#include "tests/paths.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace vitro;
using namespace vitro::test;

TEST_CASE("a model on two devices gives the logits it gives on one") {
    std::vector<std::int32_t> tokens(12);
    for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::int32_t>(3 + 5 * i);
    for (const std::string name : {"phi3_gqa", "llama_gqa_tied", "phi3_longrope_crossing"}) {
        CAPTURE(name);
        const auto directory = source_path("tests/golden/" + name);
        FarDevice far;
        CpuBackend host(1);
        LanguageModel two(directory, read_model_config(directory), {{far, far_kernels()}, {host, cpu_kernels()}},
                          exact({.context = 64}));
        LoadedModel one = load_golden(name, exact({.context = 64}), 1);
        const Graph& graph = two.program(Phase::prefill).graph;
        CHECK(
            std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) { return node.device == "far"; }));
        CHECK(
            std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) { return node.device == "cpu"; }));
        for (int part = 0; part < 3; ++part) {  // a prefill, two decode steps
            const std::span fed = part == 0 ? std::span<const std::int32_t>(tokens) : std::span(tokens).first(1);
            const auto found = append(two, {.tokens = fed}).values;
            const auto expected = one.feed(fed);
            REQUIRE(found.size() == expected.size());
            float worst = 0;
            for (std::size_t i = 0; i < found.size(); ++i)
                worst = std::max(worst, std::abs(found[i] - expected[i]) / (1 + std::abs(expected[i])));
            CHECK(worst <= 1e-4f);
        }
        CHECK(far.uploads > 0);
        CHECK(far.downloads > 0);
    }
}
