// A whole model's decode and prefill against what the machine can do, and fused against unfused:
//
//     ./dev bench-model DIRECTORY [THREADS]
//
// Decode (one token, after 128 and after 896) is measured against the read bandwidth: every weight is read once a
// token. Prefill (128 tokens) is measured against the peak of fp32 multiply-adds. Each round measures limit, fused and
// unfused one after the other; ratios are taken within a round, and medians over the rounds are printed.
#include "bench/cpu/timing.h"
#include "frontend/config.h"
#include "ops/op_list.h"
#include "passes/passes.h"
#include "runtime/append.h"

#include <cstdlib>

namespace vitro::bench {
namespace {

constexpr int kRounds = 7;
constexpr std::int64_t kPrompt = 128, kLong = 896;

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
        return seconds([&] { append(model, {.tokens = tokens}); });
    }
    /// Fills the cache.
    void feed(std::int64_t length) {
        model.truncate(0, 0);
        const std::vector<std::int32_t> tokens(static_cast<std::size_t>(length), 7);
        append(model, {.tokens = tokens, .want = Want::nothing});
    }
    /// One token after `length`, which are in the cache.
    double decode(std::int64_t length) {
        model.truncate(0, length);
        const std::int32_t token = 7;
        return seconds([&] { append(model, {.tokens = {&token, 1}}); });
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

    struct Series {
        std::vector<double> time, rate, share, speedup;

        void add(double work, double limit, double fused_seconds, double unfused_seconds) {
            time.push_back(fused_seconds);
            rate.push_back(work / fused_seconds);
            share.push_back(work / fused_seconds / limit);
            speedup.push_back(unfused_seconds / fused_seconds);
        }
    };
    Series prefill, decode, decode_long;
    for (int round = 0; round <= kRounds; ++round) {
        const double peak = cpu_limits().fma_peak(backend.pool()), fast = fused.prefill(), slow = unfused.prefill();
        const double bandwidth = cpu_limits().read_bandwidth(backend.pool(), read), fast_decode = fused.decode(kPrompt),
                     slow_decode = unfused.decode(kPrompt);
        if (round == 0) continue;  // warms caches and faults pages in
        prefill.add(flops, peak, fast, slow);
        decode.add(bytes, bandwidth, fast_decode, slow_decode);
    }
    fused.feed(kLong);
    unfused.feed(kLong);
    for (int round = 0; round < kRounds; ++round) {
        const double bandwidth = cpu_limits().read_bandwidth(backend.pool(), read), fast = fused.decode(kLong);
        decode_long.add(bytes, bandwidth, fast, unfused.decode(kLong));
    }
    fmt::print("{} threads, {:.2f} GB of weights a token, medians of {} rounds\n", backend.pool().threads(),
               bytes / 1e9, kRounds);
    fmt::print("{:<14} {:>10} {:>10} {:<8} {:>10} {:>11}\n", "", "ms", "rate", "", "of limit", "vs unfused");
    const auto print = [](const char* what, const Series& series, const char* unit) {
        report(what, series.time, series.rate, series.share, series.speedup, unit);
    };
    print("decode 128", decode, "GB/s");
    print("decode 896", decode_long, "GB/s");
    print("prefill 128", prefill, "GFLOP/s");
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
