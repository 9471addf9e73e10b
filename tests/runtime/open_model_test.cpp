// A directory opened with a few choices, and the one way from a configuration to a program.
#include "runtime/open_model.h"

#include "graph/text.h"
#include "runtime/compile_model.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/runtime/goldens.h"
#include "tests/runtime/tiny_model.h"

#include <doctest/doctest.h>

#include <fstream>
#include <limits>
#include <regex>

using namespace vitro;
using namespace vitro::test;

namespace {

/// What an action says when it fails.
template <class Action>
std::string error_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "(no error)";
}

}  // namespace

TEST_CASE("types follow the device where nothing else is said") {
    ModelConfig config;
    config.dtype = DType::bf16;
    const Devices cpu = open_devices("cpu", 1), emulated = open_devices("cuda-emulated", 1);
    const LanguageModelOptions on_cpu = model_options({}, config, cpu), on_gpu = model_options({}, config, emulated);
    CHECK(on_cpu.activation == DType::f32);
    CHECK(on_cpu.cache == DType::f16);
    CHECK_FALSE(on_cpu.choose_tokens);
    ModelConfig encoder = config;
    encoder.is_causal = false;
    CHECK(model_options({}, encoder, cpu).cache == DType::f32);
    CHECK(on_gpu.activation == DType::bf16);
    CHECK(on_gpu.cache == DType::bf16);
    CHECK(on_gpu.choose_tokens);
    const OpenOptions chosen{.activation = DType::f16, .cache = DType::f8e4m3, .weights = DType::f8e4m3};
    const LanguageModelOptions own = model_options(chosen, config, cpu);
    CHECK(own.activation == DType::f16);
    CHECK(own.cache == DType::f8e4m3);
    CHECK(own.passes.enabled.contains("quantize_weights"));
    CHECK_FALSE(model_options({.model = {.all_logits = true}}, config, emulated).choose_tokens);
}

TEST_CASE("a cache of q8_0 is refused where there is no kernel for it, and where heads are no whole blocks") {
    const Devices cpu = open_devices("cpu", 1), emulated = open_devices("cuda-emulated", 1);
    const ModelConfig bundled = read_model_config(source_path("models/bundled/tiny-phi3"));  // heads of 64
    const OpenOptions q8{.cache = DType::q8_0};
    CHECK(error_of([&] { model_options(q8, bundled, emulated); }) ==
          "the KV cache: cuda-emulated has no kernels for q8_0: choose f16, bf16 or fp8, or the CPU");
    CHECK(completed(model_options(q8, bundled, cpu), bundled).cache == DType::q8_0);
    const ModelConfig odd = read_model_config(source_path("tests/golden/phi3_odd"));
    CHECK(error_of([&] { completed(model_options(q8, odd, cpu), odd); }) ==
          "the KV cache: q8_0 keeps heads of a multiple of 32 elements, found 12: choose f16, bf16 or fp8");
}

TEST_CASE("an opened model has its devices, and says without a flag's name what it cannot do") {
    const TempDir directory;
    write_tiny_model(directory.path());
    const OpenModel open = open_model(directory.path(), {.device = "cpu", .threads = 1, .model = {.context = 40}});
    CHECK(open.devices.targets.size() == 1);
    CHECK(open.devices.warnings.empty());
    CHECK(open.model->context() == 40);
    CHECK(open.generation.eos_token_ids == std::vector<std::int64_t>{2, 7});
    CHECK(error_of([] { open_devices("gpu", 1); }) ==
          "device: expected auto, cpu, cuda, cuda:N or cuda-emulated, found 'gpu'");
    CHECK(error_of([&] { open_model(directory.path(), {.device = "cpu", .model = {.context = 65}}); }) ==
          "context: expected 1 to 64 tokens (the model's max_position_embeddings), found 65");
    CHECK(error_of([&] { open_model(directory.path(), {.device = "cpu", .model = {.max_sequences = 0}}); }) ==
          "max_sequences: expected 1 to 1048576, found 0");
}

TEST_CASE("weights of a type that no weight can become are not taken for it without a word") {
    const auto warnings = [](const char* golden, DType weights, const OpenOptions& options) {
        OpenOptions all = options;
        all.weights = weights;
        return open_model(source_path(std::string("tests/golden/") + golden), all).devices.warnings;
    };
    const OpenOptions cpu{.device = "cpu", .threads = 1}, emulated{.device = "cuda-emulated", .threads = 1},
        references{.device = "cpu", .threads = 1, .kernels = "reference"};
    // The three layers' down_proj have rows of 24 elements.
    const auto three_stay = [](const std::vector<std::string>& found, const std::string& type,
                               const std::string& device) {
        return found.size() == 1 &&
               found[0] == "3 of the matrices did not become " + type +
                               " and stay floats, such as model.layers.0.mlp.down_proj.weight: " + device +
                               " has no kernel for their shapes in blocks, or their rows are no whole blocks";
    };
    for (const DType dtype : {DType::q8_0, DType::q4_0, DType::q4_k})
        CHECK(three_stay(warnings("gemma3", dtype, cpu), std::string(name(dtype)), "cpu"));
    CHECK(warnings("gemma3", DType::f8e4m3, cpu).empty());
    CHECK(warnings("phi3_gqa", DType::f8e4m3, cpu).empty());
    CHECK(warnings("gemma3", DType::f8e4m3, emulated).empty());
    const auto ignored = [](const std::vector<std::string>& found, const std::string& type, const std::string& device) {
        return found.size() == 1 && found[0] == "no weight became " + type +
                                                    ", so all stay as they are stored: " + device +
                                                    " has no kernel for " + type + ", or no matrix has rows that could";
    };
    CHECK(ignored(warnings("phi3_gqa", DType::q4_0, cpu), "q4_0", "cpu"));  // rows of 60 elements
    const std::vector<std::string> on_device = warnings("gemma3", DType::q8_0, emulated);
    REQUIRE(on_device.size() == 1);
    CHECK(
        on_device[0].starts_with("7 of the matrices did not become q8_0 and stay floats, such as "
                                 "model.embed_tokens.weight: cuda-emulated has no"));
    // Experts' matrices are not made blocks; their biases are none.
    CHECK(warnings("gpt_oss", DType::q8_0, cpu).size() == 1);
    OpenOptions in_f32 = emulated;
    in_f32.activation = DType::f32;  // products with blocks there are of 16-bit floats
    CHECK(ignored(warnings("gemma3", DType::q8_0, in_f32), "q8_0", "cuda-emulated"));
    CHECK(three_stay(warnings("gemma3", DType::q4_k, references), "q4_k", "cpu"));
    CHECK(warnings("gemma3", DType::f8e4m3, references).empty());
}

TEST_CASE("no error of the library speaks of a command-line flag: tools add what helps") {
    const std::regex flag(R"re("[^"]*--[a-z]|"[^"]*\(-[a-z]\))re");
    CHECK(std::regex_search("fail(\"no room: give a larger context (-c)\");", flag));
    CHECK(std::regex_search("fail(\"--device: expected cpu\");", flag));
    const std::regex other(R"(\./dev build --cuda|hf download)");  // commands of other programs
    for (const char* room : {"models", "frontend", "runtime"}) {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(source_path(room))) {
            if (entry.path().extension() != ".cpp" && entry.path().extension() != ".h") continue;
            std::ifstream file(entry.path());
            for (std::string line; std::getline(file, line);)
                if (line.find("//") == std::string::npos && !std::regex_search(line, other))
                    CHECK_MESSAGE(!std::regex_search(line, flag), entry.path().string(), ": ", line);
        }
    }
}

TEST_CASE("sizes that no step can hold are refused before anything is computed with them") {
    ModelConfig config;
    config.max_positions = std::int64_t{1} << 40;
    const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
    CHECK(error_of([&] { completed({.context = huge}, config); }).starts_with("context: expected 1 to 1073741824"));
    CHECK(error_of([&] { completed({.max_sequences = huge}, config); }).starts_with("max_sequences: expected 1 to"));
    CHECK(error_of([&] { completed({.context = 1 << 30, .max_sequences = 1 << 20}, config); }) ==
          "the KV cache: expected at most 2147483647 pages of 16 tokens and as many tokens in a step, found "
          "70368744177664 and 1048576");
    CHECK(error_of([&] { completed({.context = 1 << 20, .max_sequences = 1 << 20, .cache_tokens = 64}, config); }) ==
          "(no error)");
    CHECK(error_of([&] { completed({.cache_tokens = -1}, config); }) == "cache_tokens: expected at least 0, found -1");
    CHECK(completed({.context = 64, .max_sequences = 2, .chunk = huge, .cache_tokens = huge}, config).chunk == 128);
}

TEST_CASE("compile_model refuses a checkpoint that is not the configuration's, but for what nobody needs") {
    const TempDir directory;
    write_tiny_model(directory.path());
    CpuBackend backend(1);
    const Target target{backend, cpu_kernels()};
    const auto compiled = [&] {
        const ModelConfig config = read_model_config(directory.path());
        const Checkpoint checkpoint = Checkpoint::open(directory.path());
        return compile_model(config, {Phase::decode}, completed({.verify_plan = true}, config), {&target, 1},
                             &checkpoint);
    };
    const CompiledModel good = compiled();
    CHECK_FALSE(good.programs[0].steps.empty());
    CHECK(good.programs[0].stages.back().name == "verify_plan");
    CHECK_FALSE(good.report.passes.empty());

    std::vector<OwnedTensor> tensors = tiny_tensors();
    tensors.push_back(random_tensor("model.layers.0.self_attn.rotary_emb.inv_freq", {2}, 1));
    write_tensors(directory / "model.safetensors", tensors);
    CHECK_NOTHROW(compiled());
    tensors.push_back(random_tensor("model.layers.1.input_layernorm.weight", {16}, 1));
    write_tensors(directory / "model.safetensors", tensors);
    CHECK(error_of(compiled).find("\"model.layers.1.input_layernorm.weight\": expected only the weights of "
                                  "Phi3ForCausalLM, found one it does not have") != std::string::npos);
}

TEST_CASE("phases that are compiled together become what each of them becomes alone") {
    CpuBackend backend(1);
    const Target target{backend, cpu_kernels()};
    for (const std::string& golden : golden_names()) {
        CAPTURE(golden);
        const ModelConfig config = read_model_config(source_path("tests/golden/" + golden));
        const LanguageModelOptions options = completed({.chunk = 16, .all_logits = true}, config);
        const auto compiled = [&](const std::vector<Phase>& phases) {
            return compile_model(config, phases, options, {&target, 1}, nullptr).programs;
        };
        const std::vector<Phase> phases{Phase::prefill, Phase::decode};
        const std::vector<Program> together = compiled(phases);
        CHECK(together[0].graph.bounds != together[1].graph.bounds);
        for (std::size_t i = 0; i < phases.size(); ++i) {
            const Program alone = std::move(compiled({phases[i]})[0]);
            CHECK(print(together[i].graph) == print(alone.graph));
            CHECK(print(together[i].load) == print(alone.load));
            for (const Region region : {Region::weights, Region::states, Region::io, Region::arena})
                CHECK(together[i].plan.bytes(region) == alone.plan.bytes(region));
        }
    }
}
