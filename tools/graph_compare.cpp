#include "tools/graph_compare.h"

#include "passes/passes.h"
#include "tools/compared_models.h"

#include <algorithm>

namespace vitro {
namespace {

bool is_graph_file(const std::string& side) { return side == "-" || side.ends_with(".vt"); }

std::string option_of(char name) { return fmt::format("--compare: side {}", name); }

/// A side without "=" is a model's directory.
ModelSpec spec_of(char name, const std::string& side, const StoryFlags& shared) {
    const std::string text = side.empty() || side.find('=') != std::string::npos ? side : "model=" + side;
    ModelSpec spec = parse_model_spec(option_of(name), text, shared.model);
    const PipelineOptions of_all = pipeline_options(shared.passes);
    spec.passes.disabled.insert(of_all.disabled.begin(), of_all.disabled.end());
    spec.passes.enabled.insert(of_all.enabled.begin(), of_all.enabled.end());
    return spec;
}

/// A graph as it stands in a file, and the program that it becomes.
Story story_of_file(const std::string& file, const std::string& phase, const Devices& devices) {
    Story story;
    story.phase = phase;
    story.backend = &devices.targets.back().backend;
    Graph graph = read_graph(file);
    story.stages.emplace_back("build", fmt::format("the graph of {}", file), graph);
    story.program = compile(std::move(graph), devices.targets);
    story.stages.emplace_back("program", "devices, kernels, an order and places in memory", joined(story.program));
    return story;
}

/// The stage of that name, or the last one before it where the story leaves that pass out.
std::string stage_of(const Story& story, const std::string& after) {
    const auto has = [&](std::string_view name) {
        return std::any_of(story.stages.begin(), story.stages.end(), [&](const Stage& s) { return s.name == name; });
    };
    if (has(after)) return after;
    const std::span<const Pass> passes = all_passes();
    const auto wanted =
        std::find_if(passes.begin(), passes.end(), [&](const Pass& pass) { return pass.name == after; });
    if (wanted == passes.end()) story.stage(after);  // names those there are
    for (auto at = wanted; at != passes.begin(); --at)
        if (has(std::prev(at)->name)) return std::string(std::prev(at)->name);
    return "build";
}

void require_alike(const ModelConfig& a, const ModelConfig& b, char name) {
    const auto sizes = [](const ModelConfig& config) {
        return fmt::format("{} with {} layers of {}, {} entries in its vocabulary", config.architecture,
                           config.layers.size(), config.hidden_size, config.vocab_size);
    };
    if (sizes(a) != sizes(b))
        fail("{}: to be run beside side a expected {}, found {}; without -p their graphs are compared all the same",
             option_of(name), sizes(a), sizes(b));
}

/// Runs the text on side a and on each other one; the errors of the steps of that phase.
void run_sides(const GraphCompareFlags& flags, const std::vector<ModelSpec>& specs, Phase phase, ComparedStories& out,
               std::vector<Side>& sides) {
    std::vector<std::int32_t> prompt = flags.tokens;
    if (prompt.empty()) prompt = open_tokenizer(specs[0].model).encode(flags.prompt);
    if (prompt.empty()) fail("the text has no tokens: expected at least one");
    const std::int64_t predict = flags.predict.value_or(phase == Phase::decode ? 1 : 0);
    for (const ModelSpec& spec : specs) out.models.push_back(open_side(spec, std::ssize(prompt), predict));
    for (std::size_t i = 0; i < specs.size(); ++i) {
        sides[i].story = out.stories.emplace_back(std::make_unique<Story>(story_of(*out.models[i].model, phase))).get();
        if (i == 0) continue;
        require_alike(out.models[0].config, out.models[i].config, sides[i].name[0]);
        std::vector<std::int32_t> tokens = prompt;
        // Anew for each: what an earlier run left in the cache would differ.
        const OpenModel a = open_side(specs[0], std::ssize(prompt), predict);
        Comparison comparison(*a.model, *out.models[i].model);
        run_both(comparison, out.models[0].config.vocab_size, tokens, predict);
        for (const ComparedValue& value : comparison.values()) {
            if (value.phase != phase) continue;
            const Difference& d = value.difference;
            SideError& error = sides[i].errors.try_emplace(value.path).first->second;
            const bool is_worse = error.where.empty() || !(d.nmse <= error.nmse);
            if (is_worse) error = {d.nmse, d.largest, value.where, error.parts};
            error.parts |= value.parts;
        }
        if (const auto& first = comparison.first())
            sides[i].parting = fmt::format("{}: {}: {}", first->value.path, name(first->fault), first->cause);
    }
}

}  // namespace

ComparedStories compare_graphs(const GraphCompareFlags& flags, const StoryFlags& shared, const std::string& after) {
    constexpr std::size_t kMost = 26;  // letters
    if (flags.sides.size() < 2 || flags.sides.size() > kMost)
        fail_usage("--compare: expected two sides or more, at most {}, found {}", kMost, flags.sides.size());
    const bool runs = !flags.prompt.empty() || !flags.tokens.empty();
    if (runs && shared.phase == "load")
        fail_usage("--compare: -p expected --phase prefill or decode, found load: no step of a text runs it");
    if (!runs && flags.predict) fail_usage("-n: expected a text behind -p, or --tokens, found neither");
    ComparedStories out;
    std::vector<Side> sides;
    std::vector<ModelSpec> specs;
    for (const std::string& side : flags.sides) {
        const char name = static_cast<char>('a' + sides.size());
        if (!is_graph_file(side)) specs.push_back(spec_of(name, side, shared));
        if (runs && is_graph_file(side))
            fail_usage("{}: expected a model, which -p can run, found the graph file {}", option_of(name), side);
        sides.push_back({.name = std::string(1, name), .title = is_graph_file(side) ? side : text_of(specs.back())});
        if (runs) continue;
        StoryFlags own = shared;
        if (!is_graph_file(side)) {
            own.model = specs.back().model;
            own.more_passes = specs.back().passes;
        }
        out.devices.push_back(std::make_unique<Devices>(open_devices(own.model)));
        out.stories.push_back(std::make_unique<Story>(is_graph_file(side)
                                                          ? story_of_file(side, shared.phase, *out.devices.back())
                                                          : compile_story(own, *out.devices.back())));
        sides.back().story = out.stories.back().get();
    }
    if (runs) run_sides(flags, specs, shared.phase == "prefill" ? Phase::prefill : Phase::decode, out, sides);
    for (std::size_t i = 0; i < sides.size(); ++i)
        sides[i].stage =
            is_graph_file(flags.sides[i]) && after != "program" ? "build" : stage_of(*sides[i].story, after);
    out.table = side_by_side(std::move(sides));
    return out;
}

}  // namespace vitro
