// The bundled model on the emulated GPU for as many tokens as gpu-check compares on a real one.
#include "tests/runtime/cuda_model.h"

#include <doctest/doctest.h>

using namespace vitro;
using namespace vitro::test;

TEST_CASE("64 tokens of the bundled model are the CPU's, greedily and for a fixed seed, each by a replay") {
    constexpr std::int64_t kContext = 128, kTokens = 64;
    CudaModel cuda(bundled_directory(), {.context = kContext, .choose_tokens = true});
    LoadedModel cpu(bundled_directory(), exact({.context = kContext}), 1);
    const std::string chat = "Write an email apologizing to Sarah";
    for (const SamplingOptions& sampling :
         {SamplingOptions{}, SamplingOptions{.temperature = 1, .top_p = 0.9f, .seed = 3}}) {
        const auto expected = continuation(cpu.model, chat, sampling, kTokens);
        CHECK(expected.size() > 8);
        CHECK(continuation(cuda.model, chat, sampling, kTokens) == expected);
        CHECK(cuda.replayed() != nullptr);
    }
}

TEST_CASE("greedy tokens in bf16 are those that transformers gave in f32") {
    constexpr std::int64_t kContext = 128;
    CudaModel cuda(bundled_directory(),
                   {.context = kContext, .choose_tokens = true, .activation = DType::bf16, .cache = DType::bf16});
    for (const JsonValue& row : JsonValue::read(bundled_directory() / "expected.json").array()) {
        if (row.at("prompt").string() != "The capital of France is" && row.at("prompt").string() != "The Shawshank")
            continue;
        std::vector<std::int32_t> expected;
        for (const JsonValue& id : row.at("expected_ids").array())
            expected.push_back(static_cast<std::int32_t>(id.integer(0, 1 << 30)));
        CHECK(continuation(cuda.model, std::string(row.at("prompt").string()), {},
                           static_cast<std::int64_t>(expected.size())) == expected);
    }
}
