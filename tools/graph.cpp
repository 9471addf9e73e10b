// vitro graph: the graph that runs, how it came about, and why. Works without weights.
#include "frontend/file.h"
#include "graph/text.h"
#include "tools/common.h"
#include "tools/graph_report.h"
#include "tools/pass_flags.h"

namespace vitro {
namespace {

constexpr std::int64_t kCheckedContext = 64;

struct Flags {
    ModelFlags model;
    std::string phase = "decode";
    std::string format = "text";
    std::string after;  // print the graph as this pass left it
    PassFlags passes;
    std::string output;
    bool explain = false;
    bool timings = false;
    bool json = false;
};

void graph(const Flags& flags) {
    const ModelConfig config = read_model_config(flags.model.directory);
    const Phase phase = flags.phase == "prefill" ? Phase::prefill : Phase::decode;
    // Checking takes a small cache: its values are all kept.
    const std::int64_t context = flags.model.context == 0 && flags.passes.check_numerics
                                     ? std::min(config.max_positions, kCheckedContext)
                                     : flags.model.context;
    ModelFlags model = flags.model;
    model.context = context;
    LanguageModelOptions model_options = with_flags({.passes = pipeline_options(flags.passes)}, model);
    Graph graph = naive_graph(flags.model.directory, config, phase, model_options);
    PipelineOptions& options = model_options.passes;
    std::optional<Graph> wanted;
    if (flags.after == "build") wanted = graph;
    options.after = [&](const Pass* pass, const Graph& now) {
        if (pass != nullptr && pass->name == flags.after) wanted = now;
    };
    const Devices devices = open_devices(flags.model);
    const PipelineReport report = optimize(graph, devices.targets, flags.passes, options);
    if (!flags.after.empty() && !wanted)
        fail("--after: expected build or a pass that runs, found '{}'; --timings lists those that run", flags.after);

    const std::string text = flags.explain   ? explained(report, flags.json)
                             : flags.timings ? timed(report, flags.json)
                                             : print(wanted ? *wanted : graph);
    if (flags.output.empty()) {
        fmt::print("{}", text);
        return;
    }
    AtomicFile file(flags.output);
    file.write(text);
    file.commit();
}

}  // namespace

void add_graph(CLI::App& app, int&) {
    auto flags = std::make_shared<Flags>();
    CLI::App* command = app.add_subcommand(
        "graph", "print the graph that runs; works without weights\nExample: vitro graph --phase prefill --explain");
    add_model_flags(*command, flags->model);
    command->add_option("--phase", flags->phase, "prefill (chunks of a prompt) or decode (the default)")
        ->check(CLI::IsMember({"prefill", "decode"}));
    command->add_option("--format", flags->format, "text")->check(CLI::IsMember({"text"}));
    command->add_option("--after", flags->after, "the graph as this pass left it; build: as the model wrote it")
        ->type_name("PASS");
    add_pass_flags(*command, flags->passes);
    command->add_flag("--explain", flags->explain,
                      "print for every candidate whether a pass fired and why not, and what became of every value");
    command->add_flag("--timings", flags->timings, "print the time of each pass");
    command->add_flag("--json", flags->json, "--explain and --timings as JSON");
    command->add_option("-o,--output", flags->output, "write to a file instead")->type_name("FILE");
    command->callback([flags] { graph(*flags); });
}

}  // namespace vitro
