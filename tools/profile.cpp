// vitro profile: where the time of a run goes.
#include "runtime/profile.h"
#include "base/json_text.h"

#include "graph/dump/html.h"
#include "graph/dump/subject.h"
#include "runtime/profile_drawing.h"
#include "runtime/profile_trace.h"
#include "tools/common.h"
#include "tools/look.h"
#include "tools/story.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
    ModelFlags model;
    std::string prompt;
    std::vector<std::int32_t> tokens;
    std::optional<std::int64_t> predict;
    std::string by = "op";
    std::string phase = "decode";
    std::int64_t top = 20;
    std::filesystem::path trace;
    std::string format = "text";
    std::filesystem::path output;
    bool json = false;
};

constexpr ProfileBy kAllBys[] = {ProfileBy::op, ProfileBy::module, ProfileBy::layer, ProfileBy::path, ProfileBy::step};

/// The runs of one phase, added up.
struct Totals {
    std::int64_t runs = 0, tokens = 0;
    double wall = 0, untimed = 0, kernels = 0, inputs = 0, launch = 0, between = 0, results = 0;
    Cost cost;

    Totals(const Profile& profile, Phase phase) {
        for (const ProfiledRun& run : profile.runs()) {
            if (run.phase != phase) continue;
            ++runs;
            tokens += run.tokens;
            wall += run.seconds();
            untimed += run.untimed;
            kernels += run.kernels();
            inputs += run.inputs();
            launch += run.launch();
            between += run.between();
            results += run.results();
            for (const ProfiledRun::Time& step : run.steps) {
                cost.bytes += step.cost.bytes;
                cost.flops += step.cost.flops;
            }
        }
    }
    double accounted() const { return kernels + inputs + launch + between + results; }
    std::vector<std::pair<std::string_view, double>> parts() const {
        return {{"kernels", kernels},
                {"inputs and bookkeeping", inputs},
                {"to the first kernel", launch},
                {"between kernels", between},
                {"results and bookkeeping", results}};
    }
};

Json json_of(const ProfileRow& row) {
    return {{"name", row.name},
            {"device", row.device},
            {"calls", row.calls},
            {"seconds", row.seconds},
            {"bytes", row.cost.bytes},
            {"flops", row.cost.flops},
            {"bytes_per_second", row.bytes_per_second()},
            {"flops_per_second", row.flops_per_second()},
            {"of_peak", row.of_peak() ? Json(*row.of_peak()) : Json()},
            {"bound", row.bound_by()}};
}

Json json_of(const Profile& profile, const std::map<std::string, Peaks>& peaks, const Flags& flags) {
    Json json{{"model", flags.model.directory.string()}, {"peaks", Json::object()}, {"phases", Json::array()}};
    for (const auto& [device, peak] : peaks)
        json["peaks"][device] = {{"bytes_per_second", peak.bytes_per_second},
                                 {"flops_per_second", peak.flops_per_second},
                                 {"bf16_flops_per_second", peak.bf16_per_second},
                                 {"integer_operations_per_second", peak.integer_per_second},
                                 {"flops_of", peak.flops_of}};
    for (const Phase phase : {Phase::prefill, Phase::decode}) {
        const Totals totals(profile, phase);
        if (totals.runs == 0) continue;
        Json one{{"phase", name(phase)},
                 {"runs", totals.runs},
                 {"tokens", totals.tokens},
                 {"wall_seconds", totals.wall},
                 {"wall_seconds_without_clocks", totals.untimed},
                 {"overhead", *profile.overhead(phase)},
                 {"bytes", totals.cost.bytes},
                 {"flops", totals.cost.flops},
                 {"parts", Json::array()}};
        for (const auto& [what, seconds] : totals.parts())
            one["parts"].push_back({{"part", what}, {"seconds", seconds}});
        for (const ProfileBy by : kAllBys) {
            Json& list = one[fmt::format("by_{}", name(by))] = Json::array();
            for (const ProfileRow& row : rows_of(profile, phase, by, peaks)) list.push_back(json_of(row));
        }
        json["phases"].push_back(std::move(one));
    }
    return json;
}

void append_phase(std::string& text, const Profile& profile, const std::map<std::string, Peaks>& peaks,
                  const Flags& flags, Phase phase) {
    const auto to = std::back_inserter(text);
    const Totals totals(profile, phase);
    if (totals.runs == 0) return;
    const auto per_run = [&](double x) { return x / static_cast<double>(totals.runs); };
    fmt::format_to(to, "\n{}: {} token{} in {} step{}, {:.3f} ms each, {:.1f} tokens/s; {} and {} each\n", name(phase),
                   totals.tokens, totals.tokens == 1 ? "" : "s", totals.runs, totals.runs == 1 ? "" : "s",
                   1e3 * per_run(totals.wall), static_cast<double>(totals.tokens) / totals.wall,
                   human(totals.cost.bytes / totals.runs, "B"), human(totals.cost.flops / totals.runs, "FLOP"));
    for (const auto& [what, seconds] : totals.parts())
        fmt::format_to(to, "  {:<42} {:>10.1f} us {:>6.1f}%\n", what, 1e6 * per_run(seconds),
                       100 * seconds / totals.wall);
    fmt::format_to(to, "  {:<42} {:>10.1f} us {:>6.1f}%\n", "all of these, of the wall time",
                   1e6 * per_run(totals.accounted()), 100 * totals.accounted() / totals.wall);
    fmt::format_to(to, "  {:<42} {:>10.1f} us {:>+6.1f}%\n", "without clocks, and what these cost",
                   1e6 * per_run(totals.untimed), 100 * *profile.overhead(phase));
    const auto by =
        std::find_if(std::begin(kAllBys), std::end(kAllBys), [&](ProfileBy one) { return name(one) == flags.by; });
    const std::vector<ProfileRow> rows = rows_of(profile, phase, *by, peaks);
    fmt::format_to(to, "  {:<42} {:>7} {:>10} {:>7} {:>8} {:>9} {:>8}  {}\n", flags.by, "calls", "us", "share", "GB/s",
                   "GFLOP/s", "of peak", "bound by");
    std::int64_t shown = 0;
    for (const ProfileRow& row : rows) {
        if (shown++ == flags.top) {
            fmt::format_to(to, "  … {} more (--top)\n", std::ssize(rows) - flags.top);
            break;
        }
        const std::string name =
            row.device == profile.steps(phase).front().device ? row.name : fmt::format("{} ({})", row.name, row.device);
        fmt::format_to(to, "  {:<42} {:>7.5g} {:>10.1f} {:>6.1f}% {:>8.1f} {:>9.1f} {:>8}  {}\n", name,
                       per_run(static_cast<double>(row.calls)), 1e6 * per_run(row.seconds),
                       100 * row.seconds / totals.wall, row.bytes_per_second() / 1e9, row.flops_per_second() / 1e9,
                       row.of_peak() ? fmt::format("{:.0f}%", 100 * *row.of_peak()) : "", row.bound_by());
    }
}

std::string text_of(const Profile& profile, const std::map<std::string, Peaks>& peaks, const Flags& flags) {
    std::string text;
    const auto to = std::back_inserter(text);
    for (const auto& [device, peak] : peaks)
        fmt::format_to(to, "{} does at most, measured: {}\n", device, peaks_text(peak));
    for (const Phase phase : {Phase::prefill, Phase::decode}) append_phase(text, profile, peaks, flags, phase);
    return text;
}

/// The page of a phase's graph, its boxes coloured by the mean time of their step, with roofline and timeline.
std::string page_of(const Profile& profile, const std::map<std::string, Peaks>& peaks, const Flags& flags) {
    Phase phase = flags.phase == "prefill" ? Phase::prefill : Phase::decode;
    if (Totals(profile, phase).runs == 0) phase = phase == Phase::decode ? Phase::prefill : Phase::decode;
    Paint paint{.title = "µs a step", .is_logarithmic = true, .least = 1e-1, .most = 1e-1, .is_of_steps = true};
    for (const ProfileRow& row : rows_of(profile, phase, ProfileBy::step, peaks)) {
        const double microseconds = 1e6 * row.seconds / static_cast<double>(row.calls);
        paint.most = std::max(paint.most, microseconds);
        paint.marks[row.name] = {microseconds, fmt::format("{:.1f} µs, {}", microseconds, row.of_peak_text())};
    }
    for (const auto& [device, peak] : peaks)
        paint.drawings.emplace_back(fmt::format("Roofline of {}, {}", device, name(phase)),
                                    roofline_svg(profile, phase, device, peaks));
    const auto last = std::find_if(profile.runs().rbegin(), profile.runs().rend(),
                                   [&](const ProfiledRun& run) { return run.phase == phase; });
    paint.drawings.emplace_back(fmt::format("Timeline of the last step, {}", name(phase)),
                                timeline_svg(profile, *last));
    return html_of(story_of(profile.model(), phase), &paint);
}

/// By the devices' names.
std::map<std::string, Peaks> peaks_of(const Devices& devices) {
    std::map<std::string, Peaks> peaks;
    for (const Target& target : devices.targets)
        peaks.emplace(std::string(target.backend.name()), measure_peaks(target.backend));
    return peaks;
}

int profile(Flags flags) {
    std::optional<Tokenizer> tokenizer;
    if (flags.tokens.empty()) {
        tokenizer = open_tokenizer(flags.model);
        flags.tokens = tokenizer->encode(flags.prompt);
    }
    if (flags.tokens.empty()) fail("the text has no tokens: expected at least one");
    const std::int64_t predict = tokens_to_predict(flags.model, flags.predict, 16);
    const std::int64_t chunk = std::min<std::int64_t>(std::ssize(flags.tokens), LanguageModelOptions{}.chunk);
    const OpenModel open = open_model(flags.model, {.chunk = chunk});
    const std::map<std::string, Peaks> peaks = peaks_of(open.devices);
    Profile profile(*open.model);
    std::int32_t next = profile.step(flags.tokens);
    for (std::int64_t i = 0; i < predict; ++i) next = profile.step({&next, 1});

    if (!flags.trace.empty()) print_or_write(trace_json(profile, peaks), flags.trace);
    if (flags.format == "html")
        print_or_write(page_of(profile, peaks, flags), flags.output);
    else if (flags.json)
        print_or_write(json_text(json_of(profile, peaks, flags), 2) + "\n", flags.output);
    else
        print_or_write(text_of(profile, peaks, flags), flags.output);
    return 0;
}

}  // namespace

void add_profile(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add("profile",
                                     "tell where the time of a run goes: every step against what the device can do at "
                                     "most, and what is not kernels\n"
                                     "Example: vitro profile -p \"The capital of France is\" -n 32 --by module",
                                     [flags] {
                                         if (flags->format == "html" && flags->output.empty())
                                             fail_usage("profile: --format html wants -o FILE");
                                         return profile(*flags);
                                     });
    add_model_flags(command, flags->model);
    command.option("-p,--prompt", flags->prompt, "the text to begin with", "TEXT")
        .excludes(
            command.list("--tokens", flags->tokens, "token ids in place of a text: no tokenizer is needed", "1,2,3"));
    command.number("-n,--predict", flags->predict, {0},
                   "tokens to generate after it, each a decode step (default 16; 0 where the model generates no text)");
    command.choice("--by", flags->by, {"op", "module", "layer", "path", "step"},
                   "how steps are put together: by op (the default), module or path (layers told as one), layer, or "
                   "each step by itself");
    command.number("--top", flags->top, {1}, "how many rows to print (default 20)");
    command.output("--trace", flags->trace, "write all steps to a file that Perfetto opens (ui.perfetto.dev)");
    const Option format = command.choice(
        "--format", flags->format, {"text", "html"},
        "text (default), or the graph's page with its boxes coloured by their time, a roofline and a timeline");
    command.choice("--phase", flags->phase, {"prefill", "decode"}, "the graph that the page shows (default decode)");
    command.output("-o,--output", flags->output, "write to a file");
    command.flag("--json", flags->json, "print JSON").excludes(format);
}

}  // namespace vitro
