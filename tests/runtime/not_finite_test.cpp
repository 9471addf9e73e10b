// The first value that is no number is named, with what it was computed from and why.
#include "runtime/not_finite.h"

#include "runtime/errors.h"
#include "tests/runtime/faulty_kernels.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/tiny_model.h"

#include <doctest/doctest.h>

#include <limits>

namespace vitro::test {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

const std::vector<std::int32_t> kPrompt{3, 17, 5, 40, 2, 33, 8};

/// The tiny model with one number of a tensor changed.
void write_with(const std::filesystem::path& directory, std::string_view name, std::size_t index, float value) {
    write_tiny_model(directory);
    std::vector<OwnedTensor> tensors = tiny_tensors();
    for (OwnedTensor& tensor : tensors)
        if (tensor.name == name) tensor.values[index] = value;
    write_tensors(directory / "model.safetensors", tensors);
}

std::string error_of(LanguageModel& model, std::span<const std::int32_t> tokens) {
    try {
        append(model, {.tokens = tokens});
    } catch (const NotFiniteError& error) {
        return error.what();
    }
    return "(no error)";
}

}  // namespace

TEST_CASE("a weight that is not finite is named as the cause, at the value that reads it first") {
    struct Case {
        std::string_view weight, path, input;
    };
    for (const float wrong : {kNaN, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
        for (const Case& one :
             {Case{"model.layers.0.input_layernorm.weight", "model.layers.0.input_layernorm", "weight"},
              Case{"model.layers.0.self_attn.qkv_proj.weight", "model.layers.0.self_attn.qkv_proj", "b"},
              Case{"model.layers.0.mlp.gate_up_proj.weight", "model.layers.0.mlp.gate_up_proj", "b"},
              Case{"model.norm.weight", "model.norm", "weight"}, Case{"lm_head.weight", "lm_head", "b"}}) {
            CAPTURE(one.weight);
            CAPTURE(wrong);
            const TempDir directory;
            write_with(directory.path(), one.weight, 5, wrong);
            LoadedModel loaded(directory.path());
            const WatchedStep step = watched_step(loaded.model, {.tokens = kPrompt});
            REQUIRE(step.found.has_value());
            // lm_head computes the logits, which are its wanted rows.
            CHECK((step.found->path == one.path || (one.path == "lm_head" && step.found->path == "logits")));
            CHECK(step.found->cause.starts_with(
                fmt::format("its input {}, the weight {}, holds 1 ", one.input, one.weight)));
            CHECK(!step.found->is_from_cache);
            CHECK(step.found->phase == Phase::prefill);
            CHECK(step.found->where.starts_with("["));
            CHECK(loaded.model.tokens(0).empty());
        }
    }
}

TEST_CASE("a step whose values are finite is made, with the results of one that is not watched") {
    for (const std::string& name : golden_names()) {
        CAPTURE(name);
        LoadedModel watched = load_golden(name), plain = load_golden(name);
        for (const std::vector<std::int32_t>& tokens : {kPrompt, {4}, {9}, {1}}) {
            const WatchedStep step = watched_step(watched.model, {.tokens = tokens});
            CHECK(!step.found);
            CHECK(std::vector(step.result.values.begin(), step.result.values.end()) == plain.feed(tokens));
        }
    }
}

TEST_CASE("a kernel that makes NaN of finite inputs is told from an op that does") {
    const FaultyKernels faulty("linear", 4 + 2, 4 * 3 + 1, [](const Call& call, const KernelDef& real) {
        real.run(call);
        call.out().as<float>()[call.out().dim(1) + 3] = kNaN;
    });
    LoadedModel loaded = load_golden("phi3_mqa", {}, 2, faulty.kernels());
    const WatchedStep step = watched_step(loaded.model, {.tokens = kPrompt});
    REQUIRE(step.found.has_value());
    CHECK(step.found->path == "model.layers.1.mlp.gated");
    CHECK(step.found->where == "[1, 3]");
    CHECK(step.found->cause.find("the kernel on cpu is wrong") != std::string::npos);
}

TEST_CASE("what is too large for the type is said to be") {
    const TempDir directory;
    write_tiny_model(directory.path());
    std::vector<OwnedTensor> tensors = tiny_tensors();
    for (OwnedTensor& tensor : tensors)
        if (tensor.name == "model.layers.0.mlp.down_proj.weight")
            for (float& value : tensor.values) value *= 3e6f;
    write_tensors(directory / "model.safetensors", tensors);
    LoadedModel loaded(directory.path(), {.activation = DType::f16, .cache = DType::f16});
    const WatchedStep step = watched_step(loaded.model, {.tokens = kPrompt});
    REQUIRE(step.found.has_value());
    CHECK(step.found->path.starts_with("model.layers.0.mlp"));
    CHECK(step.found->statistics.nan == 0);
    CHECK(step.found->cause.find("the result is beyond what f16 holds") != std::string::npos);
}

TEST_CASE("an error of a run names the value, also where an earlier piece of the prompt has put it into the cache") {
    const TempDir directory;
    write_with(directory.path(), "model.embed_tokens.weight", 5 * 16 + 2, kNaN);  // of token 5
    for (const std::int64_t chunk : {8, 1, 2}) {
        CAPTURE(chunk);
        LoadedModel loaded(directory.path(), {.chunk = chunk});
        const std::string error = error_of(loaded.model, kPrompt);
        CAPTURE(error);
        CHECK(error.starts_with("the logits hold NaN: expected numbers; model.embed_tokens (embed on cpu"));
        CHECK(error.ends_with("the weight model.embed_tokens.weight, holds 1 NaN"));
        // Token 5 is the third: the piece that has it is found, not the one that failed.
        CHECK(error.find(fmt::format(" step from position {}: ", 2 / chunk * chunk)) != std::string::npos);
        CHECK(std::ssize(loaded.model.tokens(0)) == (std::ssize(kPrompt) - 1) / chunk * chunk);
    }
    // Another text of the same model is what it was.
    LoadedModel loaded(directory.path()), fresh(directory.path());
    CHECK(error_of(loaded.model, kPrompt) != "(no error)");
    const std::vector<std::int32_t> other{3, 17, 40};
    CHECK(loaded.feed(other) == fresh.feed(other));
}

}  // namespace vitro::test
