// The peak of a process that runs a model: its file, cache and arena, and 2%, as the mapped original leaves memory
// while it is packed.
#include "base/dtype.h"
#include "tests/frontend/gguf_files.h"
#include "tests/frontend/temp_dir.h"
#include "tests/paths.h"
#include "tests/tools/json_of.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

using namespace vitro;
using namespace vitro::test;

namespace {

/// A Llama of 1.1 billion weights in blocks, TinyLlama's shapes, the head in `head`; all zeros, which take no room on
/// the disk.
void write_zeros(const std::filesystem::path& path, DType layers, DType head) {
    constexpr std::int64_t kHidden = 2048, kFeedForward = 5632, kLayers = 22, kVocabulary = 32000, kKv = 4 * 64;
    const auto type_of = [](DType dtype) {
        return dtype == DType::f32 ? 0u : dtype == DType::q4_0 ? 2u : dtype == DType::q8_0 ? 8u : 14u;
    };
    GgufBytes file{.keys = {gguf_key("general.architecture", "llama"), gguf_key("llama.block_count", kLayers),
                            gguf_key("llama.vocab_size", kVocabulary), gguf_key("llama.context_length", 2048),
                            gguf_key("llama.embedding_length", kHidden),
                            gguf_key("llama.feed_forward_length", kFeedForward),
                            gguf_key("llama.attention.head_count", 32), gguf_key("llama.attention.head_count_kv", 4),
                            gguf_key("llama.attention.layer_norm_rms_epsilon", GgufType::f32, little_endian(1e-5f))}};
    std::int64_t bytes = 0;
    const auto add = [&](const std::string& name, DType dtype, std::vector<std::int64_t> dims) {
        std::int64_t elements = 1;
        for (const std::int64_t dim : dims) elements *= dim;
        file.tensors.push_back({name, std::move(dims), type_of(dtype), static_cast<std::uint64_t>(bytes)});
        bytes += (bytes_of(dtype, elements) + 31) / 32 * 32;
    };
    add("token_embd.weight", layers, {kHidden, kVocabulary});
    for (std::int64_t i = 0; i < kLayers; ++i) {
        const std::string layer = fmt::format("blk.{}.", i);
        add(layer + "attn_norm.weight", DType::f32, {kHidden});
        add(layer + "attn_q.weight", layers, {kHidden, kHidden});
        add(layer + "attn_k.weight", layers, {kHidden, kKv});
        add(layer + "attn_v.weight", layers, {kHidden, kKv});
        add(layer + "attn_output.weight", layers, {kHidden, kHidden});
        add(layer + "ffn_norm.weight", DType::f32, {kHidden});
        add(layer + "ffn_gate.weight", layers, {kHidden, kFeedForward});
        add(layer + "ffn_up.weight", layers, {kHidden, kFeedForward});
        add(layer + "ffn_down.weight", layers, {kFeedForward, kHidden});
    }
    add("output_norm.weight", DType::f32, {kHidden});
    add("output.weight", head, {kHidden, kVocabulary});
    const std::string header = file.bytes();
    write_bytes(path, header);
    std::filesystem::resize_file(path, header.size() + static_cast<std::size_t>(bytes));
}

/// The most memory that `vitro` with these arguments had, in bytes; checks that it went well.
double peak_of(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), vitro_binary());
    std::vector<char*> words;
    for (std::string& word : arguments) words.push_back(word.data());
    words.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        const int nowhere = ::open("/dev/null", O_RDWR);
        for (const int stream : {0, 1, 2}) ::dup2(nowhere, stream);
        ::execv(words[0], words.data());
        ::_exit(127);
    }
    int status = 0;
    rusage usage{};
    REQUIRE(::wait4(child, &status, 0, &usage) == child);
    CHECK(status == 0);
    return 1024 * static_cast<double>(usage.ru_maxrss);
}

}  // namespace

TEST_CASE("the peak of a run is the file, the cache and the arena, and at most 2% more") {
    const TempDir directory;
    for (const auto& [layers, head] : {std::pair(DType::q4_0, DType::q6_k), std::pair(DType::q8_0, DType::q8_0)}) {
        CAPTURE(name(layers));
        const auto path = directory / "zeros.gguf";
        write_zeros(path, layers, head);
        const std::vector<std::string> model{"-m", path.string(), "-c", "64"};
        std::vector<std::string> plan{"plan"}, run{"run", "--tokens", "1,2,3", "-n", "8"};
        plan.insert(plan.end(), model.begin(), model.end());
        run.insert(run.end(), model.begin(), model.end());
        const auto told = json_of(plan).at("devices").at(0);
        const double file = static_cast<double>(std::filesystem::file_size(path)), cache = told.at("kv_cache"),
                     arena = told.at("arena");
        const double peak = peak_of(run);
        MESSAGE(fmt::format("{}: {:.1f} MB; file {:.1f}, cache {:.1f}, arena {:.1f}", name(layers), peak / 1e6,
                            file / 1e6, cache / 1e6, arena / 1e6));
        CHECK(peak > 0.8 * file);
        CHECK(peak <= 1.02 * (file + cache + arena));
        std::filesystem::remove(path);
    }
}
