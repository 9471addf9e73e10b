// What memory_use tells before loading is what a model then allocates; arenas are near the least possible.
#include "runtime/memory_use.h"

#include "frontend/gguf/gguf_convert.h"
#include "graph/check_plan.h"
#include "ops/linear/linear.h"
#include "passes/passes.h"
#include "runtime/compile_model.h"
#include "tests/frontend/temp_dir.h"
#include "tests/graph/far_device.h"
#include "tests/paths.h"
#include "tests/runtime/goldens.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

using namespace vitro;
using namespace vitro::test;

namespace {

/// From config.json alone; the dtype of all weights as there.
Program program_of(const ModelConfig& config, const LanguageModelOptions& options, Phase phase,
                   std::span<const Target> targets) {
    return std::move(compile_model(config, {phase}, completed(options, config), targets, nullptr).programs[0]);
}

std::vector<MemoryUse> use_of(std::span<const Program* const> programs, std::span<const Target> targets) {
    return memory_use(programs, LoadProgram(programs, targets));
}

std::vector<MemoryUse> use_of(const LanguageModel& model, std::span<const Target> targets) {
    const Program* const programs[] = {&model.program(Phase::prefill), &model.program(Phase::decode)};
    return use_of(programs, targets);
}

constexpr std::string_view kPhi3Mini = R"({"architectures": ["Phi3ForCausalLM"], "model_type": "phi3",
  "vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
  "num_attention_heads": 32, "num_key_value_heads": 32, "max_position_embeddings": 4096,
  "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-05, "hidden_act": "silu", "rope_theta": 10000.0,
  "sliding_window": 2047, "tie_word_embeddings": false, "torch_dtype": "bfloat16", "bos_token_id": 1,
  "eos_token_id": 32000, "pad_token_id": 32000})";

/// A Llama whose weights, 71 million of them in bf16, are all zeros and take no room on the disk.
void write_zero_model(const std::filesystem::path& directory) {
    constexpr std::int64_t kHidden = 1024, kFeedForward = 4096, kLayers = 4, kVocabulary = 2048;
    write_bytes(
        directory / "config.json",
        fmt::format(
            R"({{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": {}, "intermediate_size": {},
  "num_hidden_layers": {}, "num_attention_heads": 16, "num_key_value_heads": 16, "vocab_size": {}, "max_position_embeddings": 256,
  "tie_word_embeddings": false}})",
            kHidden, kFeedForward, kLayers, kVocabulary));
    std::string header;
    std::int64_t bytes = 0;
    const auto add = [&](const std::string& name, std::int64_t rows, std::int64_t columns) {
        const std::int64_t end = bytes + 2 * rows * columns;
        header += fmt::format(R"({}"{}.weight": {{"dtype": "BF16", "shape": [{}{}], "data_offsets": [{}, {}]}})",
                              header.empty() ? "{" : ", ", name, rows == 1 ? "" : fmt::format("{}, ", rows), columns,
                              bytes, end);
        bytes = end;
    };
    add("model.embed_tokens", kVocabulary, kHidden);
    add("lm_head", kVocabulary, kHidden);
    add("model.norm", 1, kHidden);
    for (std::int64_t i = 0; i < kLayers; ++i) {
        const std::string layer = fmt::format("model.layers.{}.", i);
        for (const char* name : {"q", "k", "v", "o"})
            add(fmt::format("{}self_attn.{}_proj", layer, name), kHidden, kHidden);
        for (const char* name : {"gate", "up"}) add(fmt::format("{}mlp.{}_proj", layer, name), kFeedForward, kHidden);
        add(layer + "mlp.down_proj", kHidden, kFeedForward);
        for (const char* name : {"input", "post_attention"})
            add(fmt::format("{}{}_layernorm", layer, name), 1, kHidden);
    }
    header += "}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    const auto length = static_cast<std::uint64_t>(header.size());
    const std::string start(reinterpret_cast<const char*>(&length), sizeof length);
    write_bytes(directory / "model.safetensors", start + header);
    std::filesystem::resize_file(directory / "model.safetensors",
                                 start.size() + header.size() + static_cast<std::size_t>(bytes));
}

/// Bytes of a mapped file that are in this process's memory.
std::size_t resident_bytes(const std::filesystem::path& path) {
    std::ifstream maps("/proc/self/smaps");
    std::size_t kilobytes = 0;
    bool is_file = false;
    for (std::string line; std::getline(maps, line);) {
        if (line.find('-') != std::string::npos && line.find(": ") == std::string::npos)
            is_file = line.ends_with(path.string());
        if (is_file && line.starts_with("Rss:")) kilobytes += std::stoull(line.substr(4));
    }
    return 1024 * kilobytes;
}

}  // namespace

TEST_CASE("a model allocates on each device what was told, to the byte") {
    for (const std::string& name : golden_names()) {
        for (const std::int64_t sequences : {1, 3}) {
            CAPTURE(name);
            const auto directory = source_path("tests/golden/" + name);
            const LanguageModelOptions options{.context = 40, .max_sequences = sequences, .chunk = 16};
            CpuBackend cpu(1);
            const Target target{cpu, cpu_kernels()};
            const LanguageModel one(directory, read_model_config(directory), {target}, options);
            const MemoryUse use_of_one = use_of(one, {&target, 1})[0];
            CHECK(use_of_one.allocated() + use_of_one.loading == cpu.allocated_bytes());

            FarDevice far;
            CpuBackend host(1);
            const std::vector<Target> both{{far, far_kernels()}, {host, cpu_kernels()}};
            const LanguageModel two(directory, read_model_config(directory), both, options);
            const std::vector<MemoryUse> use = use_of(two, both);
            REQUIRE(use.size() == 2);
            CHECK(use[0].allocated() + use[0].loading == far.allocated_bytes());
            CHECK(use[0].peak() == far.peak_bytes());
            CHECK(use[1].allocated() + use[1].loading == host.allocated_bytes());
            CHECK(use[0].mapped_weights == 0);
            CHECK(use[0].weights > 0);
            CHECK(use[1].mapped_weights > 0);
        }
    }
}

TEST_CASE("so does one whose weights and cache are rounded to fp8") {
    const auto directory = source_path("tests/golden/phi3_gqa");
    LanguageModelOptions options{.context = 40, .cache = DType::f8e4m3};
    options.passes.enabled.emplace("quantize_weights");
    CpuBackend cpu(1);
    const Target target{cpu, cpu_kernels()};
    const LanguageModel model(directory, read_model_config(directory), {target}, options);
    const MemoryUse use = use_of(model, {&target, 1})[0];
    CHECK(use.allocated() + use.loading == cpu.allocated_bytes());
    CHECK(use.weights > use.mapped_weights);

    // Rounded on the host, in memory that is used again and again, then copied to where it stays.
    std::vector<KernelDef> kernels(far_kernels().begin(), far_kernels().end());
    kernels.push_back(far_kernel<&kLinear>());
    FarDevice far;
    CpuBackend host(1);
    const std::vector<Target> both{{far, kernels}, {host, cpu_kernels()}};
    const LanguageModel two(directory, read_model_config(directory), both, options);
    const std::vector<MemoryUse> uses = use_of(two, both);
    CHECK(uses[0].peak() == far.peak_bytes());
    CHECK(uses[1].allocated() + uses[1].loading == host.allocated_bytes());
    CHECK(uses[1].loading > 0);
    CHECK(uses[1].loading < uses[0].weights / 3);
}

TEST_CASE("packed weights take the memory of their file: with cache and arena, at most 2% more") {
    const TempDir directory;
    write_zero_model(directory.path());
    for (const std::string_view type : {"q8_0", "q4_k_m"}) {
        CAPTURE(type);
        const auto file = directory / (std::string(type) + ".gguf");
        const std::size_t bytes = convert_to_gguf(directory.path(), file, gguf_preset(type), 2).bytes;
        CpuBackend cpu(1);
        const Target target{cpu, cpu_kernels()};
        const LanguageModel model(file, read_model_config(file), {target}, {.context = 64});
        const MemoryUse use = use_of(model, {&target, 1})[0];
        CHECK(use.weights > bytes / 2);
        CHECK(use.weights + use.mapped_weights <= bytes + bytes / 100);
        CHECK(resident_bytes(file) <= use.mapped_weights + bytes / 100);
        CHECK(resident_bytes(file) > 0);
    }
}

TEST_CASE("the config alone tells the same as the loaded model") {
    for (const std::string& name : golden_names()) {
        CAPTURE(name);
        const auto directory = source_path("tests/golden/" + name);
        const ModelConfig config = read_model_config(directory);
        const LanguageModelOptions options{.context = 40};
        CpuBackend cpu(1);
        const Target target{cpu, cpu_kernels()};
        const LanguageModel model(directory, config, {target}, options);
        const Program prefill = program_of(config, options, Phase::prefill, {&target, 1}),
                      decode = program_of(config, options, Phase::decode, {&target, 1});
        const Program* programs[] = {&prefill, &decode};
        const MemoryUse told = use_of(programs, {&target, 1})[0], used = use_of(model, {&target, 1})[0];
        CHECK(told.allocated() == used.allocated());
        CHECK(told.mapped_weights == used.mapped_weights);
    }
}

TEST_CASE("the arena is at most 1.05 of the largest live set, for every model, fused or not") {
    CpuBackend cpu(1);
    const Target target{cpu, cpu_kernels()};
    const TempDir phi3_mini;
    write_bytes(phi3_mini / "config.json", kPhi3Mini);
    std::vector<std::filesystem::path> directories{phi3_mini.path(), source_path("models/bundled/tiny-phi3")};
    for (const std::string& name : golden_names()) directories.push_back(source_path("tests/golden/" + name));
    LanguageModelOptions fused{.max_sequences = 2, .chunk = 32}, naive = fused;
    for (const Pass& pass : all_passes()) naive.passes.disabled.emplace(pass.name);
    double worst = 0;
    for (const auto& directory : directories) {
        const ModelConfig config = read_model_config(directory);
        for (const LanguageModelOptions& options : {fused, naive}) {
            for (const Phase phase : {Phase::prefill, Phase::decode}) {
                CAPTURE(directory.string());
                const Program program = program_of(config, options, phase, {&target, 1});
                for (const std::string& complaint : check_plan(program)) FAIL_CHECK(complaint);
                const double ratio = static_cast<double>(program.plan.bytes(Region::arena)) /
                                     static_cast<double>(program.plan.arena_lower_bound());
                CHECK(ratio >= 1);
                CHECK(ratio <= 1.05);
                worst = std::max(worst, ratio);
            }
        }
    }
    MESSAGE("the worst arena over its lower bound: " << worst);
}

TEST_CASE("a longer context and more sequences take more cache") {
    CpuBackend cpu(1);
    const Target target{cpu, cpu_kernels()};
    const ModelConfig config = read_model_config(source_path("models/bundled/tiny-phi3"));
    const auto states = [&](std::int64_t context, std::int64_t sequences) {
        const Program program =
            program_of(config, {.context = context, .max_sequences = sequences}, Phase::decode, {&target, 1});
        const Program* programs[] = {&program};
        return use_of(programs, {&target, 1})[0].states;
    };
    CHECK(states(64, 2) == 2 * states(64, 1));
    CHECK(states(128, 1) == 2 * states(64, 1));
}
