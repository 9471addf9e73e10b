// vitro compare: where two runs of one text part, and why.
#include "runtime/compare.h"
#include "base/json_text.h"

#include "frontend/json.h"
#include "graph/dump/html.h"
#include "graph/dump/repeat.h"
#include "graph/text.h"
#include "tools/common.h"
#include "tools/compared_models.h"
#include "tools/look.h"
#include "tools/model_spec.h"
#include "tools/story.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
    LookFlags look;
    std::string a, b;
    std::string replay;  // a file's name without its ending
    std::string format = "text";
    std::filesystem::path output;
    bool all = false;
    bool json = false;
};

/// What was compared, and with what.
struct Outcome {
    std::string a, b;  // the sides
    std::size_t steps = 1;
    std::vector<std::int32_t> tokens;
    std::vector<ComparedValue> values;
    std::optional<Parting> first;
    std::vector<std::string> unknown;  // of a dump
    OpenModel painted;                 // side b, for the page
};

Outcome compare_models(const Flags& flags) {
    const ModelSpec spec_a = parse_model_spec("--a", flags.a, flags.look.model),
                    spec_b = parse_model_spec("--b", flags.b, flags.look.model);
    Outcome out{.a = text_of(spec_a), .b = text_of(spec_b), .tokens = flags.look.tokens};
    if (out.tokens.empty()) out.tokens = open_tokenizer(spec_a.model).encode(flags.look.prompt);
    if (out.tokens.empty()) fail("the text has no tokens: expected at least one");
    const std::int64_t count = std::ssize(out.tokens), predict = tokens_to_predict(spec_a.model, flags.look.predict, 0);
    const OpenModel a = open_side(spec_a, count, predict);
    OpenModel b = open_side(spec_b, count, predict);
    Comparison comparison(*a.model, *b.model);
    out.steps = run_both(comparison, a.config.vocab_size, out.tokens, predict);
    out.values = comparison.values();
    out.first = comparison.first();
    out.painted = std::move(b);
    return out;
}

Outcome compare_dump(const Flags& flags) {
    if (flags.look.predict.value_or(0) > 0)
        fail_usage("--predict: expected none where --b is a file, found {}", *flags.look.predict);
    const SafetensorsFile dump = SafetensorsFile::open(flags.b);
    const ModelSpec spec = parse_model_spec("--a", flags.a, flags.look.model);
    const TensorView* tokens = dump.find("tokens");
    const std::int64_t count =
        tokens == nullptr ? 1 : std::max<std::int64_t>(1, std::ssize(std::span(tokens->data, tokens->bytes)) / 4);
    OpenModel open = open_side(spec, count, 0);
    DumpComparison found = compare_with_dump(*open.model, dump);
    return {.a = flags.b,
            .b = text_of(spec),
            .tokens = std::vector<std::int32_t>(static_cast<std::size_t>(count)),
            .values = std::move(found.values),
            .first = std::move(found.first),
            .unknown = std::move(found.unknown),
            .painted = std::move(open)};
}

std::string error_text(double nmse) { return nmse == 0 ? "0" : fmt::format("{:.2e}", nmse); }

/// Values that are alike but for their layer, told together.
struct Row {
    std::string name;  // "model.layers.0-3.mlp.gated"
    const ComparedValue* worst = nullptr;
    std::size_t count = 0, parting = 0;
};

std::vector<Row> rows_of(const std::vector<ComparedValue>& values, bool all) {
    std::vector<Row> rows;
    std::map<std::string, std::size_t> at;
    struct Layers {
        std::int64_t first, last;
    };
    std::map<std::string, Layers> layers;
    for (const ComparedValue& value : values) {
        const LayerOfPath layer = layer_of(value.path);
        std::string key = fmt::format("{} {}", name(value.phase), value.path), shown = value.path;
        if (!all && layer.index >= 0) {
            const std::string rest = value.path.substr(layer.layers.size() + 1 + std::to_string(layer.index).size());
            key = fmt::format("{} {} {}", name(value.phase), layer.layers, rest);
            const auto [known, is_new] = layers.try_emplace(key, Layers{layer.index, layer.index});
            known->second.first = std::min(known->second.first, layer.index);
            known->second.last = std::max(known->second.last, layer.index);
            shown = fmt::format("{}.{}-{}{}", layer.layers, known->second.first, known->second.last, rest);
        } else if (all) {
            key += fmt::format(" {}", value.first_position);
        }
        const auto [known, is_new] = at.try_emplace(key, rows.size());
        if (is_new) rows.push_back({});
        Row& row = rows[known->second];
        row.name = shown;
        ++row.count;
        row.parting += value.parts;
        if (row.worst == nullptr || value.difference.nmse > row.worst->difference.nmse) row.worst = &value;
    }
    return rows;
}

std::string replay_command(const Flags& flags, const Parting& first) {
    std::string out =
        fmt::format("vitro exec {0}.vt --inputs {0}.safetensors --device {1}", flags.replay, first.replay.device);
    const ModelSpec spec =
        parse_model_spec(first.side == 'a' ? "--a" : "--b", first.side == 'a' ? flags.a : flags.b, flags.look.model);
    if (!spec.model.cpu_kernels.empty()) out += fmt::format(" --cpu-kernels {}", spec.model.cpu_kernels);
    return out;
}

void append_first(std::string& text, const Flags& flags, const Outcome& out) {
    const auto to = std::back_inserter(text);
    const Parting& first = *out.first;
    const ComparedValue& value = first.value;
    const Difference& d = value.difference;
    const auto row = [&](std::string_view what, const std::string& said) {
        if (!said.empty()) fmt::format_to(to, "  {:<9} {}\n", what, wrapped(said, 110, 12));
    };
    fmt::format_to(to, "\nthe first to part: {} ({} step from position {})\n", value.path, name(value.phase),
                   value.first_position);
    row("a, b", fmt::format("{:.8g} and {:.8g} at {} of {}", d.a, d.b, value.where, to_string(value.type)));
    row("error", fmt::format("nmse {}, where rounding explains {}", error_text(d.nmse),
                             error_text(std::pow(rounding(value.a, value.b), 2))));
    row("op", first.source.empty() ? first.op : fmt::format("{}, {}", first.op, first.source));
    if (!first.step.empty())
        row("step", fmt::format("side {}: {} on {}{} writes {}", first.side, first.step_op, first.device,
                                first.has_kernel ? "" : ", by its reference,", first.step));
    row("passes", first.passes.empty() ? "" : fmt::format("{}", fmt::join(first.passes, ", ")));
    row("cause", fmt::format("{}: {}", name(first.fault), first.cause));
    if (!first.replay.refused.empty())
        row("replay", fmt::format("none: {}", first.replay.refused));
    else
        row("replay",
            flags.replay.empty() ? "--replay NAME writes the step and what it read" : replay_command(flags, first));
}

std::string text_of(const Flags& flags, const Outcome& out) {
    std::string text;
    const auto to = std::back_inserter(text);
    const auto parting =
        std::count_if(out.values.begin(), out.values.end(), [](const ComparedValue& v) { return v.parts; });
    fmt::format_to(to, "a: {}\nb: {}\n{} values of {} step{} and {} tokens compared, {} part\n", out.a, out.b,
                   out.values.size(), out.steps, out.steps == 1 ? "" : "s", out.tokens.size(),
                   parting == 0 ? "none" : std::to_string(parting));
    std::vector<std::string> unknown;
    for (const std::string& each : out.unknown) unknown.push_back(quote(each));
    if (!unknown.empty())
        fmt::format_to(to, "the model has no value for {} of the file's tensors: {}\n", unknown.size(),
                       fmt::join(unknown, ", "));
    fmt::format_to(to, "\n{:<8} {:<46} {:>9} {:>10}  {:<20} {}\n", "phase", "value", "nmse", "largest", "at", "parts");
    for (const Row& row : rows_of(out.values, flags.all)) {
        const ComparedValue& worst = *row.worst;
        std::string at = worst.where;
        if (const LayerOfPath layer = layer_of(worst.path); !flags.all && layer.index >= 0 && worst.difference.nmse > 0)
            at += fmt::format(" in {}", layer.index);
        fmt::format_to(to, "{:<8} {:<46} {:>9} {:>10.3g}  {:<20} {}\n", name(worst.phase), row.name,
                       error_text(worst.difference.nmse), worst.difference.largest, at,
                       row.parting == 0 ? ""
                       : row.count == 1 ? "yes"
                                        : fmt::format("{} of {}", row.parting, row.count));
    }
    if (out.first) append_first(text, flags, out);
    return text;
}

Json json_of(const ComparedValue& value) {
    const Difference& d = value.difference;
    return {{"path", value.path},
            {"phase", name(value.phase)},
            {"first_position", value.first_position},
            {"type", to_string(value.type)},
            {"dtypes", {name(value.a), name(value.b)}},
            {"copied", {value.is_copied_a, value.is_copied_b}},
            {"nmse", json_number<Json>(d.nmse)},
            {"allowed_nmse", std::pow(rounding(value.a, value.b), 2)},
            {"largest", json_number<Json>(d.largest)},
            {"where", value.where},
            {"a", json_number<Json>(d.a)},
            {"b", json_number<Json>(d.b)},
            {"parts", value.parts}};
}

Json json_of(const Flags& flags, const Outcome& out) {
    Json json{
        {"a", out.a},      {"b", out.b}, {"steps", out.steps}, {"unknown", out.unknown}, {"values", Json::array()},
        {"first", nullptr}};
    for (const ComparedValue& value : out.values) json["values"].push_back(json_of(value));
    if (!out.first) return json;
    const Parting& first = *out.first;
    json["first"] = {
        {"value", json_of(first.value)},
        {"side", std::string(1, first.side)},
        {"op", first.op},
        {"source", first.source},
        {"step", first.step},
        {"step_op", first.step_op},
        {"device", first.device},
        {"kernel", first.has_kernel},
        {"passes", first.passes},
        {"fault", name(first.fault)},
        {"cause", first.cause},
        {"replay", flags.replay.empty() || !first.replay.refused.empty() ? "" : replay_command(flags, first)}};
    return json;
}

void write_replay(const Flags& flags, const Replay& replay) {
    print_or_write(print(replay.graph), flags.replay + ".vt");
    std::vector<NamedTensor> tensors;
    for (const Replay::Input& input : replay.inputs) {
        tensors.push_back({input.name, input.sizes});
        tensors.back().tensor.data = const_cast<std::byte*>(input.elements.data());  // is only read
    }
    write_safetensors(flags.replay + ".safetensors", tensors, {{"format", "vitro compare"}});
}

/// Side b's graph, painted with the largest error of every value in all steps.
std::string page_of(const Outcome& out) {
    Paint paint{.title = "nmse against side a", .is_logarithmic = true, .least = 1e-14, .most = 1e-2};
    for (const ComparedValue& value : out.values) {
        Paint::Mark& mark = paint.marks[value.path];
        const double error = std::isfinite(value.difference.nmse) ? value.difference.nmse : 1e30;
        if (!mark.text.empty() && error <= mark.value) continue;
        mark = {error, fmt::format("nmse {}{}", error_text(value.difference.nmse), value.parts ? ", parts" : "")};
    }
    return html_of(story_of(*out.painted.model, out.values.empty() ? Phase::prefill : out.values.front().phase),
                   &paint);
}

int compare(const Flags& flags) {
    const Outcome out = flags.b.ends_with(".safetensors") ? compare_dump(flags) : compare_models(flags);
    if (out.first && !flags.replay.empty() && out.first->replay.refused.empty()) write_replay(flags, out.first->replay);
    if (flags.json)
        print_or_write(json_text(json_of(flags, out), 2) + "\n", flags.output);
    else if (flags.format == "html")
        print_or_write(page_of(out), flags.output);
    else
        print_or_write(text_of(flags, out), flags.output);
    return out.first ? 1 : 0;
}

}  // namespace

void add_compare(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add(
        "compare",
        "tell where two runs of a text part: error of every value, the first that is further off than rounding\n"
        "explains, its step, its passes and its cause; 1 where something parts\n"
        "Example: vitro compare -p \"The capital of France is\" --a cpu-kernels=reference --b weights=fp8",
        [flags] {
            if (flags->format == "html" && flags->output.empty()) fail_usage("compare: --format html wants -o FILE");
            return compare(*flags);
        });
    command.option("--a", flags->a,
                   "side a, as it differs from the flags: KEY=VALUE,… of model, device, threads, cpu-kernels, weights, "
                   "activations, kv-type, exact (yes, no) and passes (none, -NAME, +NAME)",
                   "SPEC");
    command.option("--b", flags->b,
                   "side b likewise; or a file that tools/python/dump_hf.py has written, by whose tensors the model of "
                   "side a is judged",
                   "SPEC|DUMP.safetensors");
    add_look_flags(command, flags->look);
    command.number("-n,--predict", flags->look.predict, {0}, "tokens to go on by, those that side a takes (default 0)");
    command.option("--replay", flags->replay,
                   "write the step at fault and what it read into NAME.vt and NAME.safetensors, for vitro exec",
                   "NAME");
    command.flag("--all", flags->all,
                 "list every value; without it layers that are alike are one line, by their worst");
    const Option format = command.choice("--format", flags->format, {"text", "html"},
                                         "text (default), or the graph's page with its boxes coloured by their error");
    command.output("-o,--output", flags->output, "write to a file");
    command.flag("--json", flags->json, "print JSON").excludes(format);
}

}  // namespace vitro
