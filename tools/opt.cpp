// vitro opt: runs passes on a graph that stands in a file.
#include "frontend/file.h"
#include "graph/text.h"
#include "ops/op_list.h"
#include "passes/passes.h"
#include "tools/common.h"
#include "tools/graph_report.h"
#include "tools/pass_flags.h"

namespace vitro {
namespace {

struct Flags {
    std::filesystem::path file;
    ModelFlags device;
    PassFlags passes;
    std::filesystem::path output;
    bool explain = false;
    bool timings = false;
    bool json = false;
};

void opt(const Flags& flags) {
    Graph graph = read_graph(flags.file);
    const Devices devices = open_devices(flags.device);
    PassChecks checks(flags.passes, devices.targets.back().backend);
    PipelineOptions options = pipeline_options(flags.passes);
    options.after = [&](const Pass* pass, const Graph& now, bool) { checks.after(pass, now); };
    const PipelineReport report = optimize(graph, devices.targets, options);
    checks.print(report);
    if (flags.explain) print_out("{}", explained(report, {.json = flags.json}));
    if (flags.timings) print_out("{}", timed(report, nullptr, flags.json));
    if (!flags.output.empty() || (!flags.explain && !flags.timings)) print_or_write(print(graph), flags.output);
}

}  // namespace

Graph read_graph(const std::filesystem::path& path) {
    constexpr std::size_t kMostBytes = std::size_t{256} << 20;
    if (path == "-") return parse(read_stdin(kMostBytes), "stdin", find_op, all_ops);
    return parse(read_file(path, kMostBytes), path.string(), find_op, all_ops);
}

void add_opt(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command = line.add(
        "opt",
        "run passes on a graph file and print the graph that results\nExample: vitro opt g.vt --passes fuse_residual",
        [flags] {
            opt(*flags);
            return 0;
        });
    command.option("file", flags->file, "a graph as `vitro graph` prints it; - reads it from stdin", "GRAPH")
        .required();
    add_pass_flags(command, flags->passes);
    add_device_flags(command, flags->device);
    const Option explain = command.flag(
        "--explain", flags->explain,
        "instead of the graph, print for each place where a pass could apply whether it fired, or why not");
    const Option timings =
        command.flag("--timings", flags->timings, "instead of the graph, print the time of each pass");
    explain.excludes(timings);
    command.flag("--json", flags->json, "print what --explain or --timings prints as JSON");
    command.output("-o,--output", flags->output, "write the graph to a file");
}

}  // namespace vitro
