// A whole model's decode and prefill against what the machine can do, and fused against unfused:
//
//     ./dev bench-model DIRECTORY [THREADS]
//
// Decode (one token) is measured against the read bandwidth: every weight is read once a token. Prefill (128 tokens) is
// measured against the peak of fp32 multiply-adds. Each round measures limit, fused and unfused one after the other;
// ratios are taken within a round, and medians over the rounds are printed.
#include "bench/cpu/limits.h"
#include "frontend/config.h"
#include "frontend/language_model.h"
#include "ops/op_list.h"

#include <cstdlib>

namespace vitro::bench {
namespace {

constexpr int kRounds = 7;
constexpr std::int64_t kPrompt = 128;

struct Model {
    LanguageModel model;

    Model(const std::filesystem::path& directory, CpuBackend& backend, bool fused)
        : model(directory, read_model_config(directory), {{backend, cpu_kernels()}}, options(fused)) {}

    static LanguageModelOptions options(bool fused) {
        LanguageModelOptions out{.context = 1024, .chunk = kPrompt};
        if (!fused)
            for (const Pass& pass : all_passes()) out.passes.disabled.emplace(pass.name);
        return out;
    }

    double prefill() {
        model.truncate(0, 0);
        const std::vector<std::int32_t> tokens(kPrompt, 7);
        const LanguageModel::Part part{0, tokens, Want::last};
        return seconds([&] { model.feed({&part, 1}); });
    }
    /// Follows prefill: one token after the prompt.
    double decode() {
        model.truncate(0, kPrompt);
        const std::int32_t token = 7;
        const LanguageModel::Part part{0, {&token, 1}, Want::last};
        return seconds([&] { model.feed({&part, 1}); });
    }
};

/// Bytes of the weights below a path.
double weight_bytes(const Graph& graph, std::string_view path) {
    double bytes = 0;
    for (const ValueId id : graph.values_of(ValueKind::weight))
        if (graph.value(id).path.starts_with(path)) bytes += static_cast<double>(bytes_of(graph.value(id).type, {}));
    return bytes;
}

void report(const char* what, std::vector<double> times, std::vector<double> rates, std::vector<double> shares,
            std::vector<double> speedups, const char* unit) {
    fmt::print("{:<14} {:>10.2f} {:>10.2f} {:<8} {:>9.1f}% {:>10.2f}x\n", what, 1e3 * median(times),
               median(rates) / 1e9, unit, 100 * median(shares), median(speedups));
}

void run(const std::filesystem::path& directory, int threads) {
    CpuBackend backend(threads);
    Model fused(directory, backend, true), unfused(directory, backend, false);
    const Graph& graph = fused.model.program(Phase::decode).graph;
    const double layers = weight_bytes(graph, "model.layers."), head = weight_bytes(graph, "lm_head.");
    const double bytes = layers + head;             // of the embedding, a token takes one row
    const double flops = layers / 2 * 2 * kPrompt;  // a multiply-add for each 2-byte weight; the head sees one row
    const Buffer memory = backend.allocate(std::size_t{512} << 20, "the bandwidth measurement");
    std::memset(memory.data(), 1, memory.bytes());
    const std::span<const std::byte> read{memory.data(), memory.bytes()};

    std::vector<double> decode_time, decode_rate, decode_share, decode_speedup;
    std::vector<double> prefill_time, prefill_rate, prefill_share, prefill_speedup;
    for (int round = 0; round <= kRounds; ++round) {
        const double peak = fma_peak(backend.pool()), prefill = fused.prefill(), slow_prefill = unfused.prefill();
        const double bandwidth = read_bandwidth(backend.pool(), read), decode = fused.decode(),
                     slow_decode = unfused.decode();
        if (round == 0) continue;  // warms caches and faults pages in
        prefill_time.push_back(prefill);
        prefill_rate.push_back(flops / prefill);
        prefill_share.push_back(flops / prefill / peak);
        prefill_speedup.push_back(slow_prefill / prefill);
        decode_time.push_back(decode);
        decode_rate.push_back(bytes / decode);
        decode_share.push_back(bytes / decode / bandwidth);
        decode_speedup.push_back(slow_decode / decode);
    }
    fmt::print("{} threads, {:.2f} GB of weights a token, medians of {} rounds\n", backend.pool().threads(),
               bytes / 1e9, kRounds);
    fmt::print("{:<14} {:>10} {:>10} {:<8} {:>10} {:>11}\n", "", "ms", "rate", "", "of limit", "vs unfused");
    report("decode", decode_time, decode_rate, decode_share, decode_speedup, "GB/s");
    report("prefill 128", prefill_time, prefill_rate, prefill_share, prefill_speedup, "GFLOP/s");
}

}  // namespace
}  // namespace vitro::bench

int main(int argc, char** argv) {
    if (argc < 2) {
        fmt::print(stderr, "usage: bench_model DIRECTORY [THREADS]\n");
        return 2;
    }
    try {
        vitro::bench::run(argv[1], argc > 2 ? std::atoi(argv[2]) : 0);
    } catch (const vitro::Error& error) {
        fmt::print(stderr, "error: {}\n", error.what());
        return 1;
    }
    return 0;
}
