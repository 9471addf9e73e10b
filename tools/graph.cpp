// vitro graph: the graph that runs, how it came about, and why. Works without weights.
#include "graph/check_plan.h"
#include "graph/dump/diff.h"
#include "graph/dump/dot.h"
#include "graph/dump/html.h"
#include "graph/dump/json.h"
#include "graph/dump/listing.h"
#include "graph/dump/story.h"
#include "graph/load_program.h"
#include "runtime/compile_model.h"
#include "tools/common.h"
#include "tools/graph_report.h"
#include "tools/graphviz.h"
#include "tools/pass_flags.h"

namespace vitro {
namespace {

constexpr std::int64_t kCheckedContext = 64;

struct Flags {
    ModelFlags model;
    StepFlags step;
    std::string phase = "decode";
    std::string format = "text";
    std::string after = "program";  // the stage that is shown
    std::string diff;               // FROM:TO
    std::string scope;              // a module
    PassFlags passes;
    ReceiptFlags receipts;
    std::filesystem::path output;
    bool unfold = false;
    bool explain = false;
    bool timings = false;
    bool json = false;
};

LanguageModelOptions options_of(const Flags& flags, const ModelConfig& config, const Devices& devices) {
    ModelFlags model = flags.model;
    if (model.context == 0 && flags.passes.check_numerics)  // its values are all kept: a small cache will do
        model.context = std::min(config.max_positions, kCheckedContext);
    const OpenOptions options = open_options(
        model,
        {.max_sequences = flags.step.batch, .chunk = flags.step.chunk, .passes = pipeline_options(flags.passes)});
    return completed(model_options(options, config, devices), config);
}

/// Compiles both phases, and what they split off into one program. Its stages are what each of them needs, and that
/// program.
Story load_story(const Flags& flags, const Devices& devices) {
    const ModelConfig config = read_model_config(flags.model.directory);
    const LanguageModelOptions options = options_of(flags, config, devices);
    const std::optional<Checkpoint> checkpoint = checkpoint_if_any(flags.model.directory);
    Story story;
    story.phase = flags.phase;
    story.backend = &devices.targets.back().backend;
    std::vector<Program> programs;
    for (const Phase phase : {Phase::prefill, Phase::decode}) {
        CompiledModel compiled =
            compile_model(config, phase, options, devices.targets, checkpoint ? &*checkpoint : nullptr);
        story.stages.push_back({std::string(name(phase)),
                                fmt::format("what {} reads that depends on weights alone", name(phase)),
                                compiled.program.load});
        explain_load(compiled.program, compiled.report.journal);
        story.report = std::move(compiled.report);
        programs.push_back(std::move(compiled.program));
    }
    const Program* const both[] = {&programs[0], &programs[1]};
    story.program = LoadProgram(both, devices.targets).program();
    if (options.verify_plan) require_sound(story.program);
    story.stages.push_back({"program", "all weights of both, equal ones once", story.program.graph});
    return story;
}

/// Compiles the model's graph and keeps every stage.
Story compile_story(const Flags& flags, const Devices& devices) {
    if (flags.phase == "load") return load_story(flags, devices);
    const ModelConfig config = read_model_config(flags.model.directory);
    const Phase phase = flags.phase == "prefill" ? Phase::prefill : Phase::decode;
    LanguageModelOptions options = options_of(flags, config, devices);
    Story story;
    story.phase = flags.phase;
    story.backend = &devices.targets.back().backend;
    PassChecks checks(flags.passes, *story.backend);
    options.passes.after = [&](const Pass* pass, const Graph& now) {
        checks.after(pass, now);
        if (pass == nullptr)
            story.stages.push_back({"build", "the model's equations", now});
        else
            story.stages.push_back({std::string(pass->name), std::string(pass->equation), now});
    };
    const std::optional<Checkpoint> checkpoint = checkpoint_if_any(flags.model.directory);
    CompiledModel compiled =
        compile_model(config, phase, options, devices.targets, checkpoint ? &*checkpoint : nullptr);
    explain_load(compiled.program, compiled.report.journal);
    checks.print(compiled.report);
    story.report = std::move(compiled.report);
    story.program = std::move(compiled.program);
    story.stages.push_back({"program", "devices, kernels, an order and places in memory", joined(story.program)});
    return story;
}

std::string diff_text(const Story& story, const Flags& flags) {
    const std::size_t colon = flags.diff.find(':');
    if (colon == std::string::npos)
        fail("--diff: expected two stages, such as build:fuse_attention, found '{}'", flags.diff);
    const Stage &from = story.stage(flags.diff.substr(0, colon)), &to = story.stage(flags.diff.substr(colon + 1));
    const bool is_whole = flags.scope.empty();
    GraphDiff found = is_whole
                          ? diff(from.graph, to.graph, story.report.journal)
                          : diff(scoped(from.graph, flags.scope), scoped(to.graph, flags.scope), story.report.journal);
    found.from = from.name;
    found.to = to.name;
    if (flags.format == "json") return json_of(found);
    if (flags.format != "text") fail("--diff: expected --format text or json, found {}", flags.format);
    return text_of(found, flags.unfold);
}

std::string dump(const Story& story, const Flags& flags) {
    if (flags.format == "html") return html_of(story);
    const Stage& stage = story.stage(flags.after);
    const Graph part = flags.scope.empty() ? Graph{} : scoped(stage.graph, flags.scope);
    const Subject subject = story.subject(stage, flags.scope.empty() ? stage.graph : part);
    if (flags.format == "json") return json_of(subject);
    if (flags.format == "dot") return dot_of(subject, flags.unfold);
    if (flags.format == "svg") return svg_of(dot_of(subject, flags.unfold));
    if (flags.format == "model-explorer") return model_explorer_json(subject);
    if (flags.format == "model-explorer-cost") return model_explorer_cost_json(subject);
    return listing(subject, flags.unfold);
}

int graph(Flags flags) {
    if (flags.json && !flags.explain && !flags.timings) flags.format = "json";
    const Devices devices = open_devices(flags.model);
    const Story story = compile_story(flags, devices);
    const std::string scope = flags.scope.empty() ? "" : whole_path(story.stages.front().graph, flags.scope);
    const std::string text = flags.explain         ? explained(story.report, {flags.json, flags.unfold}, scope)
                             : flags.timings       ? timed(story.report, &story.program, flags.json)
                             : !flags.diff.empty() ? diff_text(story, flags)
                                                   : dump(story, flags);
    const int exit_code = check_receipts(story.report, flags.receipts, story.program.graph.name, story.phase);
    if (exit_code == 0) print_or_write(text, flags.output);
    return exit_code;
}

}  // namespace

void add_graph(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add("graph",
                                     "print the graph that runs, or as it was at another stage; works without weights\n"
                                     "Example: vitro graph --diff build:fuse_attention --scope layers.0",
                                     [flags] { return graph(*flags); });
    add_model_flags(command, flags->model);
    add_step_flags(command, flags->step);
    command.choice("--phase", flags->phase, {"prefill", "decode", "load"},
                   "the program: prefill (chunks of a prompt), decode (the default), or load:\n"
                   "what runs once, when the model is loaded, and makes weights of the checkpoint's tensors");
    const Option format = command.choice(
        "--format", flags->format, {"text", "html", "json", "dot", "svg", "model-explorer", "model-explorer-cost"},
        "text (the default; layers that are alike are folded, and vitro opt and exec read it),\n"
        "html (one page: every stage, to zoom, search and click), dot, svg (drawn by Graphviz),\n"
        "json (as graph/dump/graph.schema.json says),\n"
        "model-explorer and model-explorer-cost (graph and node data for Google's Model Explorer)");
    command.option("--after", flags->after,
                   "the stage: build (as the model wrote it), a pass (as it left the graph),\n"
                   "with --phase load: prefill or decode (what that phase needs),\n"
                   "or program (what runs, with kernels and places in memory; the default)",
                   "STAGE");
    const Option diff =
        command.option("--diff", flags->diff, "what appeared, vanished and changed between two stages", "STAGE:STAGE");
    command.option("--scope", flags->scope, "only this module or value, such as layers.0 or lm_head", "PATH");
    command.flag("--unfold", flags->unfold, "show every layer, also those that are alike");
    add_pass_flags(command, flags->passes);
    add_receipt_flags(command, flags->receipts);
    const Option explain =
        command.flag("--explain", flags->explain,
                     "print for every candidate whether a pass fired and why not, and what became of every value");
    const Option timings = command.flag("--timings", flags->timings, "print the time of each pass");
    const Option json =
        command.flag("--json", flags->json, "the same as --format json; --explain and --timings as JSON");
    for (const Option& report : {explain, timings}) report.excludes(diff).excludes(format);
    explain.excludes(timings);
    json.excludes(format);
    command.output("-o,--output", flags->output, "write to a file instead");
}

}  // namespace vitro
