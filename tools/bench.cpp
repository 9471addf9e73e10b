// vitro bench: how fast a model decodes, prefills and generates on a device, and where the time of a step goes.
#include "tools/bench.h"

#include "base/json_text.h"
#include "base/random.h"
#include "runtime/append.h"
#include "runtime/peaks.h"
#include "runtime/profile.h"
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
    std::int64_t tokens = 1;  // that each sequence gets, one in a step
    std::string_view flag = "--decode";
};

struct PrefillCase {
    std::int64_t tokens = 0, context = 0;
};

struct Flags {
    ModelFlags model;
    std::vector<DecodeCase> decode;
    std::vector<std::int64_t> prompts, predict, depths, batches;  // -p, -n, -d and --batch
    std::vector<PrefillCase> prefill;                             // what these make of it; decode has the others
    std::vector<DecodeCase> verify;
    std::int64_t generate = 0;
    std::vector<bool> with_cache;  // what --generate measures
    std::filesystem::path plot;
    int repeats = 9;
    std::int64_t warm_up = 0;  // milliseconds
    bool machine = false;
    bool kernels = false;
    bool json = false;
    bool lines = false;
    std::vector<std::filesystem::path> models;  // several, in place of model.directory
    std::string format = "text";
};

DecodeCase decode_case(const std::string& text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) fail("expected BATCH:CONTEXT, such as 1:1000, found '{}'", text);
    return {parse_whole(text.substr(0, colon), {1, 4096}), parse_whole(text.substr(colon + 1), {0, 1 << 30})};
}

/// Each length of -p, and each batch and length of -n, at each depth.
void combine_lists(Flags& flags) {
    if (!flags.depths.empty() && flags.prompts.empty() && flags.predict.empty())
        fail_usage("-d: expected a length behind -p or -n, found neither");
    if (flags.depths.empty()) flags.depths = {0};
    if (flags.batches.empty()) flags.batches = {1};
    for (const std::int64_t depth : flags.depths) {
        for (const std::int64_t tokens : flags.prompts) flags.prefill.push_back({tokens, depth});
        for (const std::int64_t batch : flags.batches)
            for (const std::int64_t tokens : flags.predict) flags.decode.push_back({batch, depth, tokens, "--depth"});
    }
}

std::vector<std::int32_t> random_tokens(const ModelConfig& config, std::int64_t count, std::uint64_t seed) {
    std::vector<std::int32_t> tokens;
    for (std::int64_t i = 0; i < count; ++i)
        tokens.push_back(
            static_cast<std::int32_t>(random_bits(seed, std::uint64_t(i)) % std::uint64_t(config.vocab_size)));
    return tokens;
}

class Bench {
public:
    /// `tell` hears of the whole after each case: what it is, and which of its lists has grown.
    Bench(const Flags& flags, std::function<void(const Json& whole, std::string_view grown)> tell)
        : flags_(flags), tell_(std::move(tell)) {}

    Json run() {
        reset_peak_memory();
        open(1, 64, 64);
        for (const DecodeCase& one : flags_.decode) require_fits(one.flag, one.context, one.tokens);
        for (const DecodeCase& one : flags_.verify) require_fits("--verify", one.context, 1);
        for (const PrefillCase& one : flags_.prefill) require_fits("--prefill", one.tokens, one.context);
        require_fits("--generate", flags_.generate, kPrompt);
        json_["model"] = flags_.model.directory.string();
        json_["device"] = device().description();
        json_["load_seconds"] = load_seconds_;
        first_token();
        if (device().is_host() || flags_.machine) measure_limits();
        tell_(json_, "");
        if (flags_.machine) tell_(json_, "limits");
        each_case(flags_.verify, "verify", [&](const DecodeCase& one) {
            json_["verify"].push_back(verify_steps(model(), one.batch, one.context));
        });
        each_case(flags_.decode, "decode", [&](const DecodeCase& one) { decode(one); });
        for (const PrefillCase& one : flags_.prefill) {
            prefill(one);
            tell_(json_, "prefill");
        }
        if (flags_.generate > 0) {
            generate();
            tell_(json_, "generate");
        }
        note_peak_memory();
        if (peak_memory_ > 0) json_["peak_memory_bytes"] = peak_memory_;
        return std::move(json_);
    }

private:
    /// What the rows are held against: reading memory that is in no cache, and multiplying from registers. Measured
    /// beside each case, and the best so far counts, since what else the machine does takes part of either at times.
    void measure_limits() {
        note_peak_memory();
        peaks_ = peaks_.value_or(Peaks{}).or_better(measure_peaks(device()));
        reset_peak_memory();
        json_["limits"] = {{"bytes_per_second", peaks_->bytes_per_second},
                           {"flops_per_second", peaks_->flops_per_second},
                           {"flops_of", peaks_->flops_of},
                           {"bf16_flops_per_second", peaks_->bf16_per_second},
                           {"integer_operations_per_second", peaks_->integer_per_second}};
    }

    /// Of the model's work; the measurements of the machine have memory of their own.
    void note_peak_memory() { peak_memory_ = std::max(peak_memory_, peak_memory().value_or(0)); }

    /// Rates, and their shares of the limits, of a step of which `time` is the time and the latest run an example.
    void add_rates(Json& row, Phase phase, double time, double tokens) {
        const Arithmetic arithmetic = arithmetic_of(model().program(phase).graph);
        const Cost cost = cost_of_run(model().executor(phase), open_->devices.targets.back().backend);
        const double bytes = double(cost.bytes), flops = double(cost.flops);
        row.update(Json{{"seconds", time},
                        {"tokens_per_second", tokens / time},
                        {"deviation", deviation_},
                        {"bytes", bytes},
                        {"bytes_per_second", bytes / time},
                        {"flops", flops},
                        {"flops_per_second", flops / time}});
        if (!peaks_) return;
        measure_limits();
        row["of_read_bandwidth"] = bytes / time / peaks_->bytes_per_second;
        row["of_peak"] = flops / time / peaks_->per_second(arithmetic);
    }

    /// Cases of the same batch share an open model.
    template <class Body>
    void each_case(std::vector<DecodeCase> cases, std::string_view list, Body&& body) {
        std::stable_sort(cases.begin(), cases.end(),
                         [](const DecodeCase& a, const DecodeCase& b) { return a.batch < b.batch; });
        for (std::size_t i = 0; i < cases.size(); ++i) {
            std::int64_t longest = 0;
            for (const DecodeCase& other : cases)
                if (other.batch == cases[i].batch) longest = std::max(longest, other.context + other.tokens);
            if (i == 0 || cases[i - 1].batch != cases[i].batch)
                open(cases[i].batch, longest + 7, std::max<std::int64_t>(cases[i].batch, 2048));
            body(cases[i]);
            tell_(json_, list);
        }
    }

    /// Calls run() to warm up, so often as the device needs to record a step and for as long as was asked for; then
    /// `repeats` times. Returns the median time.
    template <class Run>
    double median_of(Run&& run, const std::function<void()>& when_warm = nullptr) {
        const auto start = Clock::now();
        for (int i = 0; i < kWarmups || 1e3 * seconds_since(start) < double(flags_.warm_up); ++i) run();
        if (when_warm) when_warm();
        std::vector<double> seconds;
        for (int i = 0; i < flags_.repeats; ++i) seconds.push_back(run());
        deviation_ = deviation(seconds);
        return median(std::move(seconds));
    }

    static constexpr std::int64_t kPrompt = 5;  // tokens before those that --generate asks for

    /// What does not fit the model is not measured in a smaller size.
    void require_fits(std::string_view flag, std::int64_t found, std::int64_t besides) {
        const std::int64_t most = open_->config.max_positions - besides;
        if (most < 0)
            fail("{}: expected at most {} tokens in all, which the model is made for, found {}", flag,
                 open_->config.max_positions, found + besides);
        if (found > most)
            fail("{}: expected at most {} tokens, since the model is made for {}, found {}", flag, most,
                 open_->config.max_positions, found);
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
        std::optional<std::size_t> free;
        const auto run = [&] {
            for (std::int64_t s = 0; s < wanted.batch; ++s) model().truncate(s, context);
            const auto start = Clock::now();
            for (std::int64_t i = 0; i < wanted.tokens; ++i) model().step(parts);
            return seconds_since(start) / double(wanted.tokens);
        };
        const double time = median_of(run, [&] { free = device().free_bytes(); });
        Json row{{"batch", wanted.batch}, {"context", context}, {"tokens", wanted.tokens}};
        for (std::int64_t s = 0; s < wanted.batch; ++s) model().truncate(s, context + wanted.tokens / 2);
        model().step(parts);  // the one in the middle
        add_rates(row, Phase::decode, time, double(wanted.batch));
        row["launches"] = launches();
        row["allocated_bytes"] = device().is_host() ? 0 : std::int64_t(*free) - std::int64_t(*device().free_bytes());
        json_["decode"].push_back(std::move(row));
        if (flags_.kernels)
            json_["decode"].back()["kernels"] = kernel_times(model(), Phase::decode, open_->devices, flags_.repeats);
    }

    void prefill(const PrefillCase& wanted) {
        const std::int64_t length = wanted.tokens, context = wanted.context;
        open(1, context + length + 8, length);
        const auto tokens = random_tokens(open_->config, length, 5);
        if (context > 0) append(model(), {.tokens = random_tokens(open_->config, context, 6), .want = Want::nothing});
        const auto run = [&] {
            model().truncate(0, context);
            const auto start = Clock::now();
            append(model(), {.tokens = tokens, .want = Want::token});
            return seconds_since(start);
        };
        const double time = median_of(run);
        Json row{{"tokens", length}, {"context", context}};
        add_rates(row, Phase::prefill, time, double(length));
        json_["prefill"].push_back(std::move(row));
        if (flags_.kernels)
            json_["prefill"].back()["kernels"] = kernel_times(model(), Phase::prefill, open_->devices, flags_.repeats);
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
    const std::function<void(const Json&, std::string_view)> tell_;
    std::optional<OpenModel> open_;
    double load_seconds_ = 0;
    std::vector<CacheCurve> curves_;
    std::optional<Peaks> peaks_;
    double peak_memory_ = 0;  // bytes; 0: not known
    double deviation_ = 0;    // of what was measured last
    Json json_;
};

/// " (87%)" of a row's field, where it has it.
std::string share(const Json& row, const char* name) {
    return row.contains(name) ? fmt::format(" ({:.0f}%)", 100 * row[name].get<double>()) : std::string();
}

/// " after 100", of a prompt that others stand before.
std::string after(const Json& row) {
    const auto context = row["context"].get<std::int64_t>();
    return context == 0 ? std::string() : fmt::format(" after {}", context);
}

double number(const Json& row, const char* name) { return row[name].get<double>(); }

void print_kernels(const Json& row) {
    if (!row.contains("kernels")) return;
    print_out("  {:<20} {:>6} {:>10} {:>12} {:>9} {:>10}  {}\n", "op", "times", "us", "bytes", "GB/s", "GFLOP/s",
              "first");
    for (const Json& kernel : row["kernels"])
        print_out("  {:<20} {:>6} {:>10.2f} {:>12} {:>9.1f} {:>10.1f}  {}\n", kernel["op"].get<std::string>(),
                  kernel["count"].get<std::int64_t>(), 1e6 * number(kernel, "seconds"),
                  kernel["bytes"].get<std::int64_t>(), number(kernel, "bytes_per_second") / 1e9,
                  number(kernel, "flops_per_second") / 1e9, kernel["first"].get<std::string>());
}

/// What was measured last: the end of the list that has grown.
void print(const Json& json, std::string_view grown) {
    if (grown.empty()) {
        print_out("{} on {}: loaded in {:.3f} s, first token after {:.3f} s\n", json["model"].get<std::string>(),
                  json["device"].get<std::string>(), number(json, "load_seconds"), number(json, "first_token_seconds"));
        return;
    }
    if (grown == "limits") {
        const Json& at = json["limits"];
        print_out("at most, measured: {}\n",
                  peaks_text({number(at, "bytes_per_second"), number(at, "flops_per_second"),
                              number(at, "bf16_flops_per_second"), number(at, "integer_operations_per_second"),
                              at["flops_of"].get<std::string>()}));
        return;
    }
    if (grown == "generate") {
        for (const auto& [field, what] : {std::pair{"seconds", "with"}, std::pair{"seconds_without_cache", "without"}})
            if (json["generate"].contains(field))
                print_out("generate {} tokens {} the KV cache: {:.3f} s\n",
                          json["generate"]["tokens"].get<std::int64_t>(), what, number(json["generate"], field));
        return;
    }
    const Json& row = json[std::string(grown)].back();
    if (grown == "verify")
        print_out(
            "verify  batch {:>4} context {:>5} {}: decode nmse {:.1e}, ragged nmse {:.1e}, {} of {} alone bit for "
            "bit{}\n",
            row["batch"].get<std::int64_t>(), row["context"].get<std::int64_t>(),
            row["agrees"].get<bool>() ? "agrees" : "DIFFERS", number(row, "decode_nmse"), number(row, "ragged_nmse"),
            row["ragged_equal"].get<std::int64_t>(), row["batch"].get<std::int64_t>(),
            row["agrees"].get<bool>() ? "" : ": " + row["why"].get<std::string>());
    if (grown == "decode")
        print_out("decode  batch {:>4} context {:>5} {:>10.3f} ms {:>9.1f} tokens/s {:>8.1f} GB/s{} {:>4} launches\n",
                  row["batch"].get<std::int64_t>(), row["context"].get<std::int64_t>(), 1e3 * number(row, "seconds"),
                  number(row, "tokens_per_second"), number(row, "bytes_per_second") / 1e9,
                  share(row, "of_read_bandwidth"), row["launches"].get<std::int64_t>());
    if (grown == "prefill")
        print_out("prefill {:>6} tokens{:<11} {:>8.3f} ms {:>9.1f} tokens/s {:>8.2f} TFLOP/s{}\n",
                  row["tokens"].get<std::int64_t>(), after(row), 1e3 * number(row, "seconds"),
                  number(row, "tokens_per_second"), number(row, "flops_per_second") / 1e12, share(row, "of_peak"));
    print_kernels(row);
}

/// Whether all that was verified agrees.
bool agrees(const Json& json) {
    const Json verified = json.value("verify", Json::array());
    return std::all_of(verified.begin(), verified.end(), [](const Json& row) { return row["agrees"].get<bool>(); });
}

/// Every model's measurements, in the format that was asked for. Returns whether all that was verified agrees.
bool run(Flags& flags) {
    const bool as_text = !flags.json && flags.format == "text";
    const auto tell = [&](const Json& whole, std::string_view grown) {
        if (as_text)
            print(whole, grown);
        else if (flags.json && flags.lines)
            print_out("{}\n", json_text(whole));
        std::fflush(stdout);
    };
    if (flags.models.empty()) flags.models.push_back(flags.model.directory);
    std::vector<Json> models;
    for (const std::filesystem::path& path : flags.models) {
        flags.model.directory = path;
        models.push_back(Bench(flags, tell).run());
        if (as_text && models.back().contains("peak_memory_bytes"))
            print_out("at most {:.2f} GB of memory\n", number(models.back(), "peak_memory_bytes") / 1e9);
    }
    if (flags.json && !flags.lines) print_out("{}\n", json_text(models.size() == 1 ? models.front() : Json(models)));
    if (!flags.json && !as_text) print_out("{}", bench_table(models, flags.format == "csv"));
    return std::all_of(models.begin(), models.end(), agrees);
}

}  // namespace

void add_bench(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add("bench",
                                     "measure decode, prefill and generation, those whose option is given\nExample: "
                                     "vitro bench -p 512 -n 128 -d 0,4000\nExample: vitro bench --decode 1:0,1:100 "
                                     "--kernels",
                                     [flags] {
                                         combine_lists(*flags);
                                         if (flags->with_cache.empty()) flags->with_cache = {true, false};
                                         return run(*flags) ? 0 : 1;
                                     });
    add_model_flags(command, flags->model);
    command.list(
        "--decode", [flags](const std::string& text) { flags->decode.push_back(decode_case(text)); },
        "measure decode steps of BATCH sequences with CONTEXT tokens in the cache each", "BATCH:CONTEXT,…");
    const auto lengths = [](std::vector<std::int64_t>& to, std::int64_t least, std::int64_t most) {
        return
            [&to, range = WholeRange{least, most}](const std::string& text) { to.push_back(parse_whole(text, range)); };
    };
    command.list("-p,--prefill", lengths(flags->prompts, 1, 1 << 30), "measure prefill of prompts of N tokens", "N,…");
    const Option predict = command.list("-n,--predict", lengths(flags->predict, 1, 1 << 30),
                                        "measure decode of N tokens, one after the other, each a step", "N,…");
    command.list("-d,--depth", lengths(flags->depths, 0, 1 << 30),
                 "tokens in the cache before what -p and -n measure (default 0)", "N,…");
    command.list("--batch", lengths(flags->batches, 1, 4096), "sequences that -n decodes together (default 1)", "N,…")
        .needs(predict);
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
    command.number("-r,--repeats", flags->repeats, {1, 1000000},
                   "every time is the median of N measurements (default 9)");
    command.number("--warm-up", flags->warm_up, {0, 1000000}, "run for N milliseconds before each measurement");
    command.list(
        "--verify", [flags](const std::string& text) { flags->verify.push_back(decode_case(text)); },
        "check that steps agree: decode with a prompt, equal sequences with each other, a batch with each alone",
        "BATCH:CONTEXT,…");
    command.list(
        "--models", [flags](const std::string& text) { flags->models.push_back(named_model(text)); },
        "measure each of several models, one after the other", "MODEL,…");
    command.choice("--format", flags->format, {"text", "markdown", "csv"},
                   "how to print what was measured (default text); a table has a row for each case");
    command.flag("--machine", flags->machine,
                 "print what the device does at most, measured: bytes read from memory that is in no cache, and "
                 "operations on registers alone, which no kernel exceeds");
    command.flag("--kernels", flags->kernels, "also measure each kind of kernel by itself");
    command.flag("--json", flags->json, "print JSON");
    command.flag("--lines", flags->lines, "with --json: a line after each case, which has all so far");
}

}  // namespace vitro
