// vitro bench: how fast a model decodes, prefills and generates on a device, and where the time of a step goes.
#include "tools/bench.h"

#include "base/random.h"
#include "runtime/append.h"
#include "runtime/peaks.h"
#include "tools/bench_cache.h"
#include "tools/bench_table.h"
#include "tools/common.h"
#include "tools/peak_memory.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr int kWarmups = 3;  // the second step with the same sizes is recorded

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

/// The standard deviation of rates, as a share of the middle one.
double deviation(const std::vector<double>& seconds) {
    double sum = 0, squares = 0;
    for (const double time : seconds) sum += 1 / time, squares += 1 / (time * time);
    const double n = static_cast<double>(seconds.size()), mean = sum / n;
    return std::sqrt(std::max(0.0, squares / n - mean * mean)) * median(seconds);
}

struct DecodeCase {
    std::int64_t batch = 1, context = 0;
};

struct Flags {
    ModelFlags model;
    std::vector<DecodeCase> decode;
    std::vector<std::int64_t> prefill;
    std::int64_t generate = 0;
    std::vector<bool> with_cache;  // what --generate measures
    std::filesystem::path plot;
    int repeats = 9;
    std::vector<std::filesystem::path> models;  // several, in place of model.directory
    std::string format = "text";
    bool kernels = false;
    bool json = false;
};

DecodeCase decode_case(const std::string& text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) fail("expected BATCH:CONTEXT, such as 1:1000, found '{}'", text);
    return {parse_whole(text.substr(0, colon), {1, 4096}), parse_whole(text.substr(colon + 1), {0, 1 << 30})};
}

std::vector<std::int32_t> random_tokens(const ModelConfig& config, std::int64_t count, std::uint64_t seed) {
    std::vector<std::int32_t> tokens;
    for (std::int64_t i = 0; i < count; ++i)
        tokens.push_back(
            static_cast<std::int32_t>(random_bits(seed, std::uint64_t(i)) % std::uint64_t(config.vocab_size)));
    return tokens;
}

/// Bytes that a decode step has to read: all weights but the embedding table, and the cache of `cached` tokens.
double step_bytes(const LanguageModel& model, double cached) {
    const Graph& graph = model.program(Phase::decode).graph;
    double weights = 0, slot = 0;
    for (const ValueInfo& value : graph.values) {
        if (value.kind == ValueKind::weight && !value.path.ends_with("embed_tokens.weight"))
            weights += static_cast<double>(bytes_of(value.type, {}));
        if (value.kind == ValueKind::state)  // [pages, slots, heads, head_dim]
            slot += static_cast<double>(bytes_of(value.type, {})) /
                    static_cast<double>(value.type.dim(0).size * value.type.dim(1).size);
    }
    return weights + slot * cached;
}

class Bench {
public:
    explicit Bench(const Flags& flags) : flags_(flags) {}

    Json run() {
        reset_peak_memory();
        open(1, 64, 64);
        json_["model"] = flags_.model.directory.string();
        json_["device"] = device().description();
        json_["load_seconds"] = load_seconds_;
        first_token();
        std::vector<DecodeCase> cases = flags_.decode;
        for (const DecodeCase& one : cases) require_fits("--decode", one.context, 1);
        for (const std::int64_t length : flags_.prefill) require_fits("--prefill", length, 0);
        require_fits("--generate", flags_.generate, kPrompt);
        std::stable_sort(cases.begin(), cases.end(),
                         [](const DecodeCase& a, const DecodeCase& b) { return a.batch < b.batch; });
        for (std::size_t i = 0; i < cases.size(); ++i) {
            std::int64_t longest = 0;
            for (const DecodeCase& other : cases)
                if (other.batch == cases[i].batch) longest = std::max(longest, other.context);
            if (i == 0 || cases[i - 1].batch != cases[i].batch)
                open(cases[i].batch, longest + 8, std::max<std::int64_t>(cases[i].batch, 2048));
            decode(cases[i]);
        }
        for (const std::int64_t length : flags_.prefill) prefill(length);
        if (flags_.generate > 0) generate();
        if (const std::optional<double> bytes = peak_memory()) json_["peak_memory_bytes"] = *bytes;
        if (device().is_host()) compare(measure_peaks(device()));
        return std::move(json_);
    }

private:
    static constexpr std::int64_t kPrompt = 5;  // tokens before those that --generate asks for

    /// What does not fit the model is not measured in a smaller size.
    void require_fits(std::string_view flag, std::int64_t found, std::int64_t besides) {
        const std::int64_t most = open_->config.max_positions - besides;
        if (found > most)
            fail("{}: expected at most {} tokens, since the model is made for {}, found {}", flag, most,
                 open_->config.max_positions, found);
    }

    /// What the rows are of what the machine can do, measured right behind them: reading memory that is in no cache,
    /// and multiplying from registers. No step can do more, but for what noise makes of the measurements.
    void compare(const Peaks& peaks) {
        json_["limits"] = {{"bytes_per_second", peaks.bytes_per_second},
                           {"flops_per_second", peaks.flops_per_second},
                           {"integer_operations_per_second", peaks.integer_per_second}};
        for (const char* phase : {"decode", "prefill"}) {
            if (!json_.contains(phase)) continue;
            for (Json& row : json_[phase]) {
                const double most = row["of_integers"].get<bool>() ? peaks.integer_per_second : peaks.flops_per_second;
                row["of_read_bandwidth"] = row["bytes_per_second"].get<double>() / peaks.bytes_per_second;
                row["of_peak"] = row["flops_per_second"].get<double>() / most;
            }
        }
    }

    /// Whether products are of 8-bit numbers.
    bool of_integers(Phase phase) {
        const std::vector<ValueInfo>& values = model().program(phase).graph.values;
        return std::any_of(values.begin(), values.end(),
                           [](const ValueInfo& value) { return is_rounded(value.type.dtype); });
    }

    void open(std::int64_t sequences, std::int64_t context, std::int64_t chunk) {
        open_.reset();  // its memory first
        ModelFlags flags = flags_.model;
        const ModelConfig config = read_model_config(flags.directory);
        flags.context = std::min(config.max_positions, context);
        const auto start = Clock::now();
        open_.emplace(open_model(flags, {.max_sequences = sequences, .chunk = chunk}));
        load_seconds_ = seconds_since(start);
    }
    LanguageModel& model() { return *open_->model; }
    Backend& device() { return open_->devices.targets.front().backend; }

    void first_token() {
        const auto tokens = random_tokens(open_->config, 8, 1);
        const auto start = Clock::now();
        append(model(), {.tokens = tokens, .want = Want::token});
        json_["first_token_seconds"] = load_seconds_ + seconds_since(start);
    }

    void decode(const DecodeCase& wanted) {
        const std::int64_t context = wanted.context;
        std::vector<std::vector<std::int32_t>> history;
        std::vector<StepPart> parts;
        for (std::int64_t s = 0; s < wanted.batch; ++s) {
            history.push_back(random_tokens(open_->config, context, std::uint64_t(s)));
            model().truncate(s, 0);
            const StepPart prompt{.sequence = s, .tokens = history.back(), .want = Want::nothing};
            if (context > 0) append(model(), prompt);
        }
        const auto next = random_tokens(open_->config, wanted.batch, 99);
        for (std::int64_t s = 0; s < wanted.batch; ++s)
            parts.push_back({.sequence = s, .tokens = {&next[std::size_t(s)], 1}, .want = Want::token});
        std::vector<double> seconds;
        std::optional<std::size_t> free;
        for (int i = 0; i < kWarmups + flags_.repeats; ++i) {
            if (i == kWarmups) free = device().free_bytes();
            for (std::int64_t s = 0; s < wanted.batch; ++s) model().truncate(s, context);
            const auto start = Clock::now();
            model().step(parts);
            if (i >= kWarmups) seconds.push_back(seconds_since(start));
        }
        const double time = median(seconds), bytes = step_bytes(model(), double(wanted.batch * (context + 1)));
        const double flops = step_flops(Phase::decode, double(wanted.batch), double(context + 1), double(wanted.batch));
        json_["decode"].push_back(
            {{"batch", wanted.batch},
             {"context", context},
             {"seconds", time},
             {"tokens_per_second", double(wanted.batch) / time},
             {"deviation", deviation(seconds)},
             {"bytes", bytes},
             {"bytes_per_second", bytes / time},
             {"flops", flops},
             {"flops_per_second", flops / time},
             {"of_integers", of_integers(Phase::decode)},
             {"launches", launches()},
             {"allocated_bytes", device().is_host() ? 0 : std::int64_t(*free) - std::int64_t(*device().free_bytes())}});
        if (flags_.kernels)
            json_["decode"].back()["kernels"] = kernel_times(model(), Phase::decode, open_->devices, flags_.repeats);
    }

    void prefill(std::int64_t length) {
        open(1, length + 8, length);
        const auto tokens = random_tokens(open_->config, length, 5);
        std::vector<double> seconds;
        for (int i = 0; i < kWarmups + flags_.repeats; ++i) {
            model().truncate(0, 0);
            const auto start = Clock::now();
            append(model(), {.tokens = tokens, .want = Want::token});
            if (i >= kWarmups) seconds.push_back(seconds_since(start));
        }
        const double time = median(seconds), bytes = step_bytes(model(), double(length));
        const double flops = step_flops(Phase::prefill, double(length), 0.5 * double(length), 1);
        json_["prefill"].push_back({{"tokens", length},
                                    {"seconds", time},
                                    {"tokens_per_second", double(length) / time},
                                    {"deviation", deviation(seconds)},
                                    {"bytes", bytes},
                                    {"bytes_per_second", bytes / time},
                                    {"flops", flops},
                                    {"flops_per_second", flops / time},
                                    {"of_integers", of_integers(Phase::prefill)}});
        if (flags_.kernels)
            json_["prefill"].back()["kernels"] = kernel_times(model(), Phase::prefill, open_->devices, flags_.repeats);
    }

    /// Of the layers' products, of `rows` rows of logits, and of attention, where each of `tokens` sees `seen` others
    /// in the mean.
    double step_flops(Phase phase, double tokens, double seen, double rows) {
        const ModelConfig& config = open_->config;
        double weights = 0;
        for (const ValueInfo& value : model().program(phase).graph.values)
            if (value.kind == ValueKind::weight && value.path.starts_with("model.layers.") && value.type.rank() == 2)
                weights += double(value.type.dim(0).size) * double(value.type.dim(1).size);
        double attention = 0;
        for (const LayerConfig& layer : config.layers)
            attention += 4.0 * tokens * seen * double(config.n_heads * layer.head_dim);
        return 2 * weights * tokens + 2 * rows * double(config.vocab_size * config.hidden_size) + attention;
    }

    /// The same text with and without the cache: the textbook's comparison.
    void generate() {
        open(1, kPrompt + flags_.generate, kPrompt + flags_.generate);
        Json& json = json_["generate"];
        json["tokens"] = flags_.generate;
        for (const bool use_cache : flags_.with_cache) {
            const std::vector<double> seconds =
                seconds_of_tokens(model(), random_tokens(open_->config, kPrompt, 3), flags_.generate, use_cache);
            json[use_cache ? "seconds" : "seconds_without_cache"] =
                std::accumulate(seconds.begin(), seconds.end(), 0.0);
            json[use_cache ? "token_seconds" : "token_seconds_without_cache"] = seconds;
            curves_.push_back({use_cache, seconds});
        }
        if (!flags_.plot.empty())
            print_or_write(cache_plot_svg(flags_.model.directory.filename().string(), kPrompt, curves_), flags_.plot);
    }

    std::int64_t launches() {
        const Recording* recording = model().executor(Phase::decode).replayed();
        return recording == nullptr ? 0 : static_cast<std::int64_t>(recording->size());
    }

    const Flags& flags_;
    std::optional<OpenModel> open_;
    double load_seconds_ = 0;
    std::vector<CacheCurve> curves_;
    Json json_;
};

/// Every model's measurements, in the format that was asked for.
std::string run(Flags& flags) {
    std::vector<Json> models;
    if (flags.models.empty()) flags.models.push_back(flags.model.directory);
    for (const std::filesystem::path& path : flags.models) {
        flags.model.directory = path;
        models.push_back(Bench(flags).run());
    }
    if (flags.json) return (models.size() == 1 ? models.front() : Json(models)).dump() + "\n";
    return flags.format == "text" ? bench_text(models) : bench_table(models, flags.format == "csv");
}

}  // namespace

void add_bench(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add("bench",
                                     "measure decode, prefill and generation, those whose option is given\nExample: "
                                     "vitro bench --decode 1:0,1:100 --kernels",
                                     [flags] {
                                         if (flags->with_cache.empty()) flags->with_cache = {true, false};
                                         print_out("{}", run(*flags));
                                         return 0;
                                     });
    add_model_flags(command, flags->model);
    command.list(
        "--decode", [flags](const std::string& text) { flags->decode.push_back(decode_case(text)); },
        "measure decode steps of BATCH sequences with CONTEXT tokens in the cache each", "BATCH:CONTEXT,…");
    command.list(
        "--prefill",
        [flags](const std::string& text) {
            flags->prefill.push_back(parse_whole(text, {1, 1 << 30}));
        },
        "measure prefill of prompts of N tokens", "N,…");
    const Option generate = command.number("--generate", flags->generate, {1, 1 << 30},
                                           "measure generating N tokens, with and without the KV cache");
    command
        .list(
            "--kv-cache",
            [flags](const std::string& text) {
                if (text != "on" && text != "off") fail("expected on or off, found '{}'", text);
                flags->with_cache.push_back(text == "on");
            },
            "what --generate measures (default on,off)", "on,off")
        .needs(generate);
    command.output("--plot", flags->plot, "draw the time until each token of --generate into an SVG file")
        .needs(generate);
    command.number("--repeats", flags->repeats, {1, 1000000}, "every time is the median of N measurements (default 9)");
    command.list(
        "--models", [flags](const std::string& text) { flags->models.emplace_back(text); },
        "measure each of several models, one after the other", "MODEL,…");
    command.choice("--format", flags->format, {"text", "markdown", "csv"},
                   "how to print what was measured (default text); tables have a row for each measurement");
    command.flag("--kernels", flags->kernels, "also measure each kind of kernel by itself");
    command.flag("--json", flags->json, "print JSON");
}

}  // namespace vitro
