// Weights and KV cache in fp8.
#include "runtime/quantize.h"

#include "base/half.h"
#include "base/random.h"
#include "passes/passes.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

using namespace vitro;
using namespace vitro::test;

namespace {

const std::vector<std::int32_t> kPrompt{1, 5, 9, 2, 7, 3, 4, 11, 6, 8, 10, 12};

/// Mean square of the difference, relative to that of `expected`.
double nmse(const std::vector<float>& expected, const std::vector<float>& found) {
    REQUIRE(expected.size() == found.size());
    double error = 0, power = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
        error += std::pow(double(found[i]) - double(expected[i]), 2);
        power += std::pow(double(expected[i]), 2);
    }
    return error / power;
}

LanguageModelOptions fp8_weights() {
    LanguageModelOptions options;
    options.passes.enabled = {"quantize_weights"};
    return options;
}

}  // namespace

TEST_CASE("rows of fp8 times their scales are the rows, to a sixteenth") {
    constexpr std::int64_t kRows = 7, kWidth = 19;
    std::vector<bf16> weights(kRows * kWidth);
    Random random(3);
    for (bf16& weight : weights) weight = bf16(0.01f * random.normal());
    std::fill_n(weights.begin() + 2 * kWidth, kWidth, bf16(0.0f));
    const std::int64_t sizes[] = {kRows, kWidth};
    const Tensor tensor(DType::bf16, sizes, weights.data());
    for (const int threads : {1, 3}) {
        ThreadPool pool(threads);
        std::vector<f8e4m3> rows(weights.size());
        std::vector<float> scales(kRows);
        reform(tensor, WeightForm::fp8_rows, reinterpret_cast<std::byte*>(rows.data()), pool);
        reform(tensor, WeightForm::fp8_scales, reinterpret_cast<std::byte*>(scales.data()), pool);
        CHECK(scales[2] == 1);
        for (std::int64_t r = 0; r < kRows; ++r) {
            float largest = 0;
            for (std::int64_t i = 0; i < kWidth; ++i) {
                const auto at = static_cast<std::size_t>(r * kWidth + i);
                const float weight = float(weights[at]), scale = scales[static_cast<std::size_t>(r)];
                CHECK(std::abs(float(rows[at]) * scale - weight) <= std::abs(weight) / 16 + scale * 0x1p-10f);
                largest = std::max(largest, std::abs(float(rows[at])));
            }
            CHECK(largest == (r == 2 ? 0 : 448));
        }
    }
}

TEST_CASE("a model with fp8 weights is near the one without, the same fused and decomposed") {
    for (const char* name : {"phi3_gqa", "llama_bias"}) {
        const std::vector<float> expected = load_golden(name).feed(kPrompt);
        LoadedModel quantized = load_golden(name, fp8_weights());
        const std::vector<float> found = quantized.feed(kPrompt);
        CHECK(nmse(expected, found) < 0.01);
        CHECK(nmse(expected, found) > 0);
        std::size_t scaled = 0, matmuls = 0;
        for (const Node& node : quantized.model.program(Phase::decode).graph.nodes) {
            scaled += node.op->name == "linear" && node.attributes.texts().size() > 0;
            matmuls += node.op->name == "matmul";
        }
        CHECK(matmuls == 0);
        CHECK(scaled > 0);
        for (const ValueId id : quantized.model.program(Phase::decode).graph.values_of(ValueKind::weight)) {
            const ValueInfo& weight = quantized.model.program(Phase::decode).graph.value(id);
            CHECK_MESSAGE(((weight.type.rank() == 1) || (weight.form == WeightForm::fp8_rows) ||
                           weight.path.ends_with("embed_tokens.weight")),
                          weight.path);
        }
        LanguageModelOptions unfused = fp8_weights();
        for (const Pass& pass : all_passes())
            if (!pass.optional) unfused.passes.disabled.emplace(pass.name);
        CHECK(nmse(found, load_golden(name, unfused).feed(kPrompt)) < 1e-9);
    }
}

TEST_CASE("a model with a KV cache of 8 or 16 bits is near the one with fp32") {
    for (const auto& [cache, bound] : {std::pair{DType::f16, 1e-6}, {DType::bf16, 1e-4}, {DType::f8e4m3, 1e-2}}) {
        const std::vector<float> expected = load_golden("llama_gqa_tied").feed(kPrompt);
        LoadedModel small = load_golden("llama_gqa_tied", {.cache = cache});
        const double error = nmse(expected, small.feed(kPrompt));
        CHECK(error < bound);
        CHECK(error > 0);
        const Program& program = small.model.program(Phase::decode);
        for (const ValueId id : program.graph.values_of(ValueKind::state))
            CHECK(program.graph.value(id).type.dtype == cache);
    }
}
