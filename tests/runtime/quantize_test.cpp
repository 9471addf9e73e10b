// Weights in fp8 and in blocks, and the KV cache in fp8.
#include "passes/passes.h"
#include "tests/runtime/errors.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace vitro;
using namespace vitro::test;

namespace {

const std::vector<std::int32_t> kPrompt{1, 5, 9, 2, 7, 3, 4, 11, 6, 8, 10, 12};

LanguageModelOptions fp8_weights() {
    LanguageModelOptions options;
    options.passes.enabled = {"quantize_weights"};
    return options;
}

}  // namespace

TEST_CASE("a model with fp8 weights is near the one without, the same fused and decomposed") {
    for (const char* name : {"phi3_gqa", "llama_bias"}) {
        const std::vector<float> expected = load_golden(name, exact()).feed(kPrompt);
        LoadedModel quantized = load_golden(name, fp8_weights());
        const std::vector<float> found = quantized.feed(kPrompt);
        CHECK(nmse(found, expected) < 0.01);
        CHECK(nmse(found, expected) > 0);
        std::size_t scaled = 0, matmuls = 0;
        for (const Node& node : quantized.model.program(Phase::decode).graph.nodes) {
            scaled += node.op->name == "linear" && node.attributes.texts().size() > 0;
            matmuls += node.op->name == "matmul";
        }
        CHECK(matmuls == 0);
        CHECK(scaled > 0);
        for (const ValueId id : quantized.model.program(Phase::decode).graph.values_of(ValueKind::weight)) {
            const ValueInfo& weight = quantized.model.program(Phase::decode).graph.value(id);
            CHECK_MESSAGE(((weight.type.rank() == 1) || (weight.type.dtype == DType::f8e4m3) ||
                           weight.path.ends_with("embed_tokens.weight")),
                          weight.path);
        }
        LanguageModelOptions unfused = fp8_weights();
        for (const Pass& pass : all_passes())
            if (!pass.optional) unfused.passes.disabled.emplace(pass.name);
        CHECK(nmse(found, load_golden(name, unfused).feed(kPrompt)) < 1e-9);
    }
}

TEST_CASE("weights in blocks: exact as dequantized ones, near with rounded activations, packed and in order alike") {
    const auto directory = source_path("models/bundled/tiny-phi3");
    for (const DType type : {DType::q8_0, DType::q6_k, DType::q5_k, DType::q4_k, DType::q4_0}) {
        CAPTURE(name(type));
        LanguageModelOptions options{.context = 64};
        options.passes.enabled = {"weights_to_blocks"};
        options.passes.block_type = type;
        const auto feed = [&] { return LoadedModel(directory, options).feed(kPrompt); };
        LoadedModel packed(directory, options);
        const std::vector<float> near = packed.feed(kPrompt);
        for (const Phase phase : {Phase::prefill, Phase::decode})
            for (const Node& node : packed.model.program(phase).graph.nodes)
                if (node.op->name == "linear")
                    CHECK(is_packed(packed.model.program(phase).graph.value(node.inputs[1]).type.dtype));
        options.passes.disabled = {"pack_weights"};
        CHECK(feed() == near);
        options.passes.exact = true;
        const std::vector<float> exact = feed();
        options.passes.disabled = {"keep_blocks"};
        CHECK(nmse(feed(), exact) <= 1e-6);
        CHECK(nmse(near, exact) <= 1e-3);
        CHECK(nmse(near, exact) > 0);
    }
}

TEST_CASE("a model with a KV cache of 8 or 16 bits is near the one with fp32") {
    for (const auto& [cache, bound] : {std::pair{DType::f16, 1e-6}, {DType::bf16, 1e-4}, {DType::f8e4m3, 1e-2}}) {
        const std::vector<float> expected = load_golden("llama_gqa_tied", exact()).feed(kPrompt);
        LoadedModel small = load_golden("llama_gqa_tied", exact({.cache = cache}));
        const double error = nmse(small.feed(kPrompt), expected);
        CHECK(error < bound);
        CHECK(error > 0);
        const Program& program = small.model.program(Phase::decode);
        for (const ValueId id : program.graph.values_of(ValueKind::state))
            CHECK(program.graph.value(id).type.dtype == cache);
    }
}
