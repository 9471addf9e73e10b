// Attention weights and hidden states are those of transformers (tests/golden/make_values.py).
#include "runtime/compare.h"
#include "tests/frontend/temp_dir.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace vitro::test {
namespace {

struct Golden {
    const char* name;
    std::int64_t window;           // of the first layer
    std::int64_t projections = 0;  // of each layer that the file has, too
};

constexpr Golden kGoldens[] = {{"phi3_gqa", 0},       {"phi3_window", 7},   {"mistral_window", 5},
                               {"llama_gqa_tied", 0}, {"llama_bias", 0, 7}, {"gemma3", 6}};

TEST_CASE("attention weights and hidden states of every layer are within 1e-4 of transformers'") {
    for (const Golden& golden : kGoldens) {
        CAPTURE(golden.name);
        LoadedModel loaded = load_golden(golden.name, exact({.all_logits = true}));
        const ModelConfig& config = loaded.model.config();
        CHECK(config.layers[0].sliding_window == golden.window);
        const SafetensorsFile file =
            SafetensorsFile::open(source_path(fmt::format("tests/golden/{}/values.safetensors", golden.name)));
        const DumpComparison found = compare_with_dump(loaded.model, file);
        CHECK(found.unknown.empty());
        CHECK(!found.first);
        CHECK(std::ssize(found.values) == (2 + golden.projections) * config.n_layers + 2);
        std::int64_t attention = 0;
        for (const ComparedValue& value : found.values) {
            CAPTURE(value.path);
            CHECK(value.difference.largest <= 1e-4);
            attention += value.path.ends_with(".attention_weights");
        }
        CHECK(attention == config.n_layers);
    }
}

TEST_CASE("attention weights that are off by more are told from transformers'") {
    const std::filesystem::path directory = source_path("tests/golden/phi3_window");
    LoadedModel loaded = load_golden("phi3_window", exact({.all_logits = true}));
    const SafetensorsFile file = SafetensorsFile::open(directory / "values.safetensors");
    std::vector<Elements> kept;
    std::vector<NamedTensor> tensors;
    for (const std::string& name : file.names()) {
        const TensorView& view = *file.find(name);
        Elements& copy = kept.emplace_back(view.data, view.data + view.bytes);
        tensors.push_back({name, Tensor(view.dtype, view.shape, copy.data())});
        if (name == "model.layers.1.self_attn.attention_weights") tensors.back().tensor.as<float>()[30] += 2e-3f;
    }
    const TempDir changed;
    write_safetensors(changed / "values.safetensors", tensors);
    const DumpComparison found = compare_with_dump(loaded.model, SafetensorsFile::open(changed / "values.safetensors"));
    REQUIRE(found.first.has_value());
    CHECK(found.first->value.path == "model.layers.1.self_attn.attention_weights");
    CHECK(found.first->value.difference.where == 30);
}

}  // namespace
}  // namespace vitro::test
