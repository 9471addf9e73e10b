// The whole model on the emulated GPU: the real CUDA kernels, recorded once and replayed for every position, against
// the CPU backend.
#include "backends/emulation/failures.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/runtime/cuda_model.h"
#include "tests/runtime/tiny_model.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <tuple>

using namespace vitro;
using namespace vitro::test;

namespace {

constexpr std::int64_t kContext = 64;

/// Paths of the nodes that are left to the CPU.
std::string on_host(const Program& program) {
    std::string out;
    for (const Node& node : program.graph.nodes)
        if (node.device == "cpu" && !node.op->is_view)
            out += std::string(node.op->name) + " " + program.graph.value(node.outputs[0]).path + "\n";
    return out;
}

}  // namespace

TEST_CASE("the bundled model says on the emulated GPU what it says on the CPU, greedily and by chance, replaying") {
    CudaModel cuda(bundled_directory(), {.context = kContext, .choose_tokens = true});
    LoadedModel cpu(bundled_directory(), exact({.context = kContext}), 1);
    for (const SamplingOptions& sampling :
         {SamplingOptions{},
          SamplingOptions{.temperature = 1.5f, .top_k = 50, .top_p = 0.95f, .min_p = 0.001f, .seed = 7}}) {
        CAPTURE(sampling.temperature);
        const auto expected = continuation(cpu.model, "The capital of France is", sampling, 6);
        CHECK(continuation(cuda.model, "The capital of France is", sampling, 6) == expected);
        CHECK(cuda.replayed() != nullptr);
    }
}

TEST_CASE("a decode step in bf16 runs on the GPU alone, in at most five launches a layer") {
    CudaModel cuda(bundled_directory(),
                   {.context = kContext, .choose_tokens = true, .activation = DType::bf16, .cache = DType::bf16});
    CHECK(on_host(cuda.model.program(Phase::decode)) == "");
    CHECK(on_host(cuda.model.program(Phase::prefill)) == "");
    LoadedModel cpu(bundled_directory(), exact({.context = kContext}), 1);
    const auto expected = continuation(cpu.model, "The capital of France is", {}, 4);
    CHECK(continuation(cuda.model, "The capital of France is", {}, 4) == expected);
    REQUIRE(cuda.replayed() != nullptr);
    // Beside the layers: the inputs, the embedding, the choice of rows, the last norm and the head, the choice of a
    // token.
    CHECK(cuda.replayed()->size() <= static_cast<std::size_t>(5 * cuda.model.config().n_layers + 8));
}

TEST_CASE("logits that are asked for leave the device: a repetition penalty is the host's") {
    CudaModel cuda(bundled_directory(), {.context = kContext, .choose_tokens = true});
    LoadedModel cpu(bundled_directory(), exact({.context = kContext}), 1);
    const SamplingOptions sampling{.repetition_penalty = 1.3f};
    CHECK(continuation(cuda.model, "Once upon a", sampling, 3) == continuation(cpu.model, "Once upon a", sampling, 3));
}

TEST_CASE("a batch on the GPU: sequences of different lengths, each with its own seed") {
    CudaModel cuda(bundled_directory(), {.context = kContext, .max_sequences = 3, .choose_tokens = true});
    LoadedModel cpu(bundled_directory(), exact({.context = kContext, .max_sequences = 3}), 1);
    const std::vector<std::int32_t> prompts[] = {{1, 401, 671}, {1, 300}, {1, 500, 600, 700, 800}};
    std::vector<StepPart> parts;
    std::vector<std::int32_t> appended[3];
    for (std::int64_t s = 0; s < 3; ++s) {
        appended[s] = prompts[s];
        parts.push_back({.sequence = s, .tokens = appended[s], .sample = {.temperature = 1, .seed = std::uint64_t(s)}});
    }
    const auto vocab = static_cast<std::size_t>(cpu.model.config().vocab_size);
    for (int step = 0; step < 3; ++step) {
        for (StepPart& part : parts) part.want = Want::token;
        const auto chosen = cuda.model.step(parts);
        for (StepPart& part : parts) part.want = Want::logits;
        const auto logits = cpu.model.step(parts);
        for (std::size_t s = 0; s < 3; ++s) {
            std::vector<SampleCandidate> memory(vocab);
            SampleRow row = parts[s].sample;
            row.position = static_cast<std::int32_t>(cpu.model.tokens(parts[s].sequence).size());
            appended[s] = {choose_token(logits[s].values.data(), static_cast<std::int64_t>(vocab), row, memory.data())};
            CHECK(chosen[s].tokens.front() == appended[s].front());
            parts[s].tokens = appended[s];
        }
    }
}

TEST_CASE("on the GPU, too, a step gives each part what it wants, and a shared page is copied before it is written") {
    const LanguageModelOptions options{
        .context = kContext, .max_sequences = 3, .chunk = 32, .hidden_states = true, .choose_tokens = true};
    CudaModel cuda(source_path("tests/golden/phi3_gqa"), options);
    LoadedModel cpu = load_golden("phi3_gqa", exact(options), 1);
    const std::vector<std::int32_t> prefix{3, 9, 4, 8, 5, 7, 6, 30, 31, 12, 40, 2, 17, 18, 19, 20, 21, 22}, first{5, 6},
        second{7};
    const StepPart whole{.sequence = 2, .tokens = prefix, .want = Want::nothing};
    const StepPart parts[] = {{.sequence = 1, .tokens = first},
                              {.sequence = 0, .tokens = second, .want = Want::hidden_states},
                              {.sequence = 2, .tokens = first, .want = Want::token}};
    std::vector<std::vector<float>> found[2];
    std::int32_t tokens[2];
    for (const bool on_gpu : {false, true}) {
        LanguageModel& model = on_gpu ? cuda.model : cpu.model;
        model.step({&whole, 1});
        model.share(2, 0, 18);
        model.share(2, 1, 17);
        const std::int64_t free = model.free_pages();
        const auto results = model.step(parts);
        for (const PartResult& result : results) found[on_gpu].emplace_back(result.values.begin(), result.values.end());
        tokens[on_gpu] = results[2].tokens.front();
        CHECK(model.free_pages() == free - 2);
    }
    CHECK(tokens[0] == tokens[1]);
    for (std::size_t part = 0; part < 2; ++part) {
        REQUIRE(found[0][part].size() == found[1][part].size());
        for (std::size_t i = 0; i < found[0][part].size(); ++i)
            CHECK(found[1][part][i] == doctest::Approx(found[0][part][i]).epsilon(1e-3).scale(1));
    }
}

TEST_CASE("NaN in the logits is an error where the GPU chooses the token, and the sequence is as before") {
    const TempDir directory;
    write_tiny_model(directory.path());
    std::vector<OwnedTensor> tensors = tiny_tensors();
    tensors.back().values[7] = std::numeric_limits<float>::quiet_NaN();  // lm_head
    write_tensors(directory / "model.safetensors", tensors);
    CudaModel cuda(directory.path(), {.context = kContext, .choose_tokens = true});
    const std::vector<std::int32_t> tokens{4, 5};
    const StepPart part{.tokens = tokens, .want = Want::token};
    CHECK_THROWS_WITH_AS(cuda.model.step({&part, 1}), doctest::Contains("the logits hold NaN or +Inf"), Error);
    CHECK(cuda.model.tokens(0).empty());
}

TEST_CASE("a model whose recordings, programmatic launches or products the device refuses says the same, warned once") {
    const LanguageModelOptions options{
        .context = 96, .choose_tokens = true, .activation = DType::bf16, .cache = DType::bf16};
    CudaModel whole(bundled_directory(), options);
    const auto expected = continuation(whole.model, "The capital of France is", {}, 4);
    for (const auto& [call, words, replays] :
         {std::tuple{"cudaGraphInstantiate",
                     "a step could not be recorded: cudaGraphInstantiate: operation not supported", false},
          std::tuple{"cudaGraphLaunch", "a step could not be replayed: operation not supported", false},
          std::tuple{"programmatic launch", "a programmatic launch failed: operation not supported", true},
          std::tuple{"gemm", "refuses a product of ", true}}) {
        CAPTURE(std::string(call));
        CudaModel cuda(bundled_directory(), options);
        std::vector<std::string> warnings;
        cuda.device->on_warning([&](std::string_view text) { warnings.emplace_back(text); });
        emulation::plant_failure({.call = call, .times = 1'000'000, .error = emulation::cudaErrorNotSupported});
        const auto found = continuation(cuda.model, "The capital of France is", {}, 4);
        const std::vector<std::int32_t> tokens(80, 5);  // more than the kernels for few tokens take
        cuda.model.truncate(0, 0);
        const StepPart part{.tokens = tokens, .want = Want::token};
        cuda.model.step({&part, 1});
        emulation::clear_failures();
        CHECK(found == expected);
        CHECK((cuda.replayed() != nullptr) == replays);
        REQUIRE(warnings.size() == 1);
        CAPTURE(warnings[0]);
        CHECK(warnings[0].find(words) != std::string::npos);
    }
}

TEST_CASE("what does not fit the device is said before anything is allocated") {
    const auto device = cuda_emulated::make_backend();
    CpuBackend host(1);
    const std::size_t before = *device->free_bytes();
    std::string text;
    try {
        const LanguageModel model(bundled_directory(), read_model_config(bundled_directory()),
                                  {{*device, cuda_emulated::kernels()}, {host, cpu_kernels()}},
                                  {.context = 512, .max_sequences = 75'000});
    } catch (const Error& error) {
        text = error.what();
    }
    CAPTURE(text);
    CHECK(text.starts_with("cuda-emulated:0 (emulated): not enough memory: expected "));
    CHECK(text.find("KV cache") != std::string::npos);
    CHECK(text.find(", reserve 0.54)") != std::string::npos);
    CHECK(*device->free_bytes() == before);
}
