// vitro graph: the graph that runs, how it came about, and why. Works without weights.
#include "frontend/file.h"
#include "graph/text.h"
#include "tools/common.h"

#include <nlohmann/json.hpp>

namespace vitro {
namespace {

struct Flags {
    ModelFlags model;
    std::string phase = "decode";
    std::string format = "text";
    std::string after;                // print the graph as this pass left it
    std::vector<std::string> passes;  // run only these
    std::vector<std::string> disabled;
    std::string output;
    bool explain = false;
    bool timings = false;
    bool json = false;
};

PipelineOptions pipeline_options(const Flags& flags) {
    PipelineOptions options;
    options.disabled.insert(flags.disabled.begin(), flags.disabled.end());
    if (flags.passes.empty()) return options;
    std::set<std::string, std::less<>> wanted(flags.passes.begin(), flags.passes.end());
    for (const Pass& pass : all_passes())
        if (wanted.erase(std::string(pass.name)) == 0)
            options.disabled.emplace(pass.name);
        else if (pass.optional)
            options.enabled.emplace(pass.name);
    if (!wanted.empty()) options.disabled.insert(*wanted.begin());  // no such pass: run_passes names those there are
    return options;
}

std::string explained(const PipelineReport& report, bool json) {
    if (json) {
        nlohmann::ordered_json out{{"findings", nlohmann::json::array()}, {"fates", nlohmann::json::array()}};
        for (const Finding& finding : report.journal.findings)
            out["findings"].push_back(
                {{"pass", finding.pass}, {"path", finding.path}, {"fired", finding.fired}, {"reason", finding.reason}});
        for (const auto& [path, fate] : report.journal.fates)
            out["fates"].push_back(
                {{"path", path}, {"kind", name(fate.kind)}, {"into", fate.into}, {"pass", fate.pass}});
        return out.dump(2) + "\n";
    }
    std::string out;
    for (const Finding& finding : report.journal.findings)
        out += fmt::format("{:<28} {:<8} {}: {}\n", finding.pass, finding.fired ? "fired" : "refused", finding.path,
                           finding.reason);
    for (const auto& [path, fate] : report.journal.fates)
        out += fmt::format("{:<28} {:<8} {}{}{}\n", fate.pass, name(fate.kind), path, fate.into.empty() ? "" : " in ",
                           fate.into);
    return out;
}

std::string timed(const PipelineReport& report, bool json) {
    nlohmann::ordered_json list = nlohmann::json::array();
    std::string out = fmt::format("{:<28} {:>9} {:>7}  changed\n", "pass", "ms", "nodes");
    for (const PassRecord& pass : report.passes) {
        list.push_back(
            {{"pass", pass.name}, {"seconds", pass.seconds}, {"nodes", pass.nodes_after}, {"changed", pass.changed}});
        out += fmt::format("{:<28} {:>9.3f} {:>7}  {}\n", pass.name, 1e3 * pass.seconds, pass.nodes_after,
                           pass.changed ? "yes" : "no");
    }
    return json ? list.dump(2) + "\n" : out;
}

void graph(const Flags& flags) {
    const ModelConfig config = read_model_config(flags.model.directory);
    const Phase phase = flags.phase == "prefill" ? Phase::prefill : Phase::decode;
    LanguageModelOptions model_options = with_flags({.passes = pipeline_options(flags)}, flags.model);
    Graph graph = naive_graph(flags.model.directory, config, phase, model_options);
    PipelineOptions& options = model_options.passes;
    std::optional<Graph> wanted;
    if (flags.after == "build") wanted = graph;
    options.after = [&](const Pass* pass, const Graph& now) {
        if (pass != nullptr && pass->name == flags.after) wanted = now;
    };
    const Devices devices = open_devices(flags.model);
    const PipelineReport report = optimize(graph, devices.targets, options);
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
    command->add_option("--passes", flags->passes, "run only these passes")->delimiter(',')->type_name("PASS,…");
    command->add_option("--disable-pass", flags->disabled, "leave a pass out; may be repeated")->type_name("PASS");
    command->add_flag("--explain", flags->explain,
                      "print for every candidate whether a pass fired and why not, and what became of every value");
    command->add_flag("--timings", flags->timings, "print the time of each pass");
    command->add_flag("--json", flags->json, "--explain and --timings as JSON");
    command->add_option("-o,--output", flags->output, "write to a file instead")->type_name("FILE");
    command->callback([flags] { graph(*flags); });
}

}  // namespace vitro
