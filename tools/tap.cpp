// vitro tap: the values of a run by their paths, while the program that really runs does.
#include "base/json_text.h"
#include "frontend/safetensors.h"
#include "graph/statistics.h"
#include "runtime/model_taps.h"
#include "runtime/not_finite.h"
#include "tools/common.h"
#include "tools/look.h"
#include "tools/trace_values.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace vitro {
namespace {

struct Flags {
    LookFlags look;
    std::vector<std::string> paths;
    std::filesystem::path output;
    bool stats = false;
    bool list = false;
    bool stop_on_nan = false;
    bool json = false;
};

constexpr std::int64_t kMostPrinted = 16;  // elements of a row that are printed whole

std::string shape_of(const Tensor& tensor) {
    std::string out;
    for (int axis = 0; axis < tensor.rank; ++axis) out += fmt::format("{}{}", axis ? ", " : "", tensor.dim(axis));
    return fmt::format("[{}]", out);
}

/// "copied", or how else it came about.
std::string how(const SeenValue& seen) {
    std::string out = seen.is_copied ? "copied" : "computed again";
    if (!seen.in.empty()) out += fmt::format(", {} in the program", seen.in);
    return out;
}

Json json_of(const Statistics& s) {
    return {{"min", json_number<Json>(s.min)},
            {"max", json_number<Json>(s.max)},
            {"mean", json_number<Json>(s.mean)},
            {"rms", json_number<Json>(s.rms)},
            {"nan", s.nan},
            {"plus_infinity", s.plus_infinity},
            {"minus_infinity", s.minus_infinity}};
}

void print_statistics_head(std::string_view what) {
    print_out("  {:<24} {:>12} {:>12} {:>12} {:>12}\n", what, "min", "max", "mean", "rms");
}

void print_statistics(const Statistics& s, std::string_view name) {
    std::string odd;
    if (s.nan > 0) odd += fmt::format("  {} NaN", s.nan);
    if (s.plus_infinity > 0) odd += fmt::format("  {} +Inf", s.plus_infinity);
    if (s.minus_infinity > 0) odd += fmt::format("  {} -Inf", s.minus_infinity);
    print_out("  {:<24} {:>12.5g} {:>12.5g} {:>12.5g} {:>12.5g}{}\n", name, s.min, s.max, s.mean, s.rms, odd);
}

/// Rows of the last axis, long ones by their ends.
void print_elements(const Tensor& tensor) {
    const auto* data = static_cast<const std::byte*>(tensor.data);
    const std::int64_t width = tensor.rank == 0 ? 1 : tensor.dim(-1);
    for (std::int64_t row = 0; row < tensor.rows() && width > 0; ++row) {
        std::string line;
        for (std::int64_t i = 0; i < width; ++i) {
            if (width > kMostPrinted && i == 4) line += " …", i = width - 4;
            line += fmt::format(" {:.5g}", element(tensor.dtype, data, row * width + i));
        }
        print_out("  {}\n", line.substr(1));
        if (row == 3 && tensor.rows() > 8) {
            print_out("  … {} rows more\n", tensor.rows() - 4);
            break;
        }
    }
}

class Report {
public:
    Report(const Flags& flags, const Looked& look) : flags_(flags), look_(look) {}

    void begin_step(std::int64_t first, std::int64_t count) {
        first_ = first;
        count_ = count;
        steps_.push_back({{"first_position", first}, {"tokens", Json::array()}, {"values", Json::array()}});
        for (std::int64_t i = first; i < first + count; ++i)
            steps_.back()["tokens"].push_back({{"id", look_.tokens[std::size_t(i)]}, {"piece", look_.piece(i)}});
    }

    void add(const SeenValue& seen) {
        if (!flags_.output.empty()) keep(seen);
        if (flags_.json)
            add_json(seen);
        else if (flags_.stats || flags_.output.empty())
            print(seen);
    }

    void finish() {
        if (flags_.json) print_out("{}\n", json_text(Json{{"steps", steps_}}, 2));
        if (flags_.output.empty()) return;
        std::vector<NamedTensor> tensors;
        for (Kept& kept : kept_) {
            kept.tensor.data = kept.elements.data();
            tensors.push_back({kept.name, kept.tensor});
        }
        write_safetensors(flags_.output, tensors, {{"format", "vitro tap"}});
    }

private:
    struct Kept {
        std::string name;
        Tensor tensor;
        Elements elements;
    };

    std::string token_name(std::size_t index) const {
        const std::int64_t position = first_ + static_cast<std::int64_t>(index);
        return fmt::format("{:>4} {}", position, look_.piece(position));
    }

    /// By token where the value has an axis of tokens, else as a whole.
    std::vector<Statistics> statistics_of(const SeenValue& seen) const {
        return statistics(seen.tensor, token_axis(seen.type));
    }

    void print(const SeenValue& seen) {
        print_out("{}{}  {} {}  ({})\n", seen.path, first_ == 0 ? "" : fmt::format(" at position {}", first_),
                  name(seen.tensor.dtype), shape_of(seen.tensor), how(seen));
        if (!flags_.stats) return print_elements(seen.tensor);
        print_statistics_head("token");
        const std::vector<Statistics> all = statistics_of(seen);
        const bool by_token = token_axis(seen.type) >= 0;
        for (std::size_t i = 0; i < all.size(); ++i) print_statistics(all[i], by_token ? token_name(i) : "all");
    }

    void add_json(const SeenValue& seen) {
        Json value{{"path", seen.path},
                   {"type", to_string(seen.type)},
                   {"shape", Json::array()},
                   {"copied", seen.is_copied},
                   {"in", seen.in},
                   {"by_token", token_axis(seen.type) >= 0},
                   {"statistics", Json::array()}};
        for (int axis = 0; axis < seen.tensor.rank; ++axis) value["shape"].push_back(seen.tensor.dim(axis));
        for (const Statistics& s : statistics_of(seen)) value["statistics"].push_back(json_of(s));
        if (!flags_.stats && flags_.output.empty()) {
            value["elements"] = Json::array();
            for (std::int64_t i = 0; i < seen.tensor.elements(); ++i)
                value["elements"].push_back(
                    json_number<Json>(element(seen.tensor.dtype, static_cast<const std::byte*>(seen.tensor.data), i)));
        }
        steps_.back()["values"].push_back(std::move(value));
    }

    /// What blocks stand for, as numbers.
    void keep(const SeenValue& seen) {
        std::vector<float> numbers;
        const Tensor tensor = without_blocks(seen.tensor, numbers);
        const auto* data = static_cast<const std::byte*>(tensor.data);
        kept_.push_back({first_ == 0 ? seen.path : fmt::format("{}@{}", seen.path, first_), tensor,
                         Elements(data, data + tensor.bytes())});
    }

    const Flags& flags_;
    const Looked& look_;
    std::int64_t first_ = 0, count_ = 0;
    Json steps_ = Json::array();
    std::vector<Kept> kept_;
};

void print(const NotFinite& found) {
    print_out("{}\n", text_of(found));
    print_statistics_head("");
    print_statistics(found.statistics, "value");
    for (const NotFinite::Input& input : found.inputs) {
        print_statistics(input.statistics, input.name);
        print_out("    {} {} {}\n", input.kind, to_string(input.type), input.path);
    }
}

Json json_of(const NotFinite& found) {
    Json out{{"path", found.path},
             {"type", to_string(found.type)},
             {"copied", found.is_copied},
             {"phase", name(found.phase)},
             {"first_position", found.first_position},
             {"op", found.op},
             {"device", found.device},
             {"source", found.source},
             {"where", found.where},
             {"statistics", json_of(found.statistics)},
             {"cause", found.cause},
             {"inputs", Json::array()}};
    for (const NotFinite::Input& input : found.inputs)
        out["inputs"].push_back({{"name", input.name},
                                 {"path", input.path},
                                 {"kind", input.kind},
                                 {"type", to_string(input.type)},
                                 {"statistics", json_of(input.statistics)}});
    return out;
}

/// 1 where something is not finite.
int stop_on_nan(const Flags& flags, Looked& look) {
    std::optional<NotFinite> found;
    std::size_t steps = 0;
    look.run_by([&](const StepPart& part) {
        WatchedStep step = watched_step(*look.open.model, part);
        ++steps;
        found = std::move(step.found);
        return step.result.values;
    });
    if (flags.json)
        print_out(
            "{}\n",
            json_text(Json{{"finite", !found}, {"steps", steps}, {"first", found ? json_of(*found) : Json()}}, 2));
    else if (found)
        print(*found);
    else
        print_out("all values are finite, in {} step{} of {} tokens\n", steps, steps == 1 ? "" : "s",
                  look.tokens.size());
    return found ? 1 : 0;
}

int tap(const Flags& flags) {
    Looked look = open_to_look(flags.look, !flags.list);
    if (flags.stop_on_nan) return stop_on_nan(flags, look);
    ModelTaps prefill(*look.open.model, Phase::prefill), decode(*look.open.model, Phase::decode);
    if (flags.list) {
        for (const std::string& path : prefill.paths()) {
            const Recovery::Found& found = prefill.recovery().values().at(path);
            print_out("{:<60} {:<24} {}\n", path, to_string(prefill.recovery().graph().value(found.id).type),
                      found.is_copied ? "copied" : "computed again");
        }
        return 0;
    }
    prefill.tap(flags.paths);
    decode.tap(flags.paths);
    Report report(flags, look);
    look.run([&](Phase phase, std::int64_t first, std::int64_t count) {
        report.begin_step(first, count);
        (phase == Phase::prefill ? prefill : decode).read([&](const SeenValue& seen) { report.add(seen); });
    });
    report.finish();
    return 0;
}

}  // namespace

void add_tap(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command =
        line.add("tap",
                 "print values of a run, chosen by their paths, while the usual, fused program runs\n"
                 "Example: vitro tap \"layers.*.mlp.gated\" -p \"The capital of France is\" --stats",
                 [flags] {
                     if (flags->paths.empty() && !flags->list && !flags->stop_on_nan)
                         fail_usage("tap: expected PATH, --list or --stop-on-nan, found nothing");
                     return tap(*flags);
                 });
    const Option paths = command.repeated(
        "paths", [flags](const std::string& path) { flags->paths.push_back(path); },
        "paths of values, ends of paths, or globs; values that fusion removed are computed again from values of the "
        "run",
        "PATH");
    add_look_flags(command, flags->look);
    command.number("-n,--predict", flags->look.predict, {0},
                   "after the text, generate N tokens, always the most probable one (default 0)");
    command.output("-o,--output", flags->output, "write the values to a safetensors file");
    command.flag("--stats", flags->stats, "print min, max, mean and rms per token, and how many NaN and Inf there are");
    command.flag("--list", flags->list, "print the paths of all values, and nothing else");
    command
        .flag("--stop-on-nan", flags->stop_on_nan,
              "watch all values; at the first that is NaN or infinite, print its inputs and its cause, and exit with 1")
        .excludes(paths);
    command.flag("--json", flags->json, "print one JSON object");
}

}  // namespace vitro
