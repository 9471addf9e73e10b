// vitro graph: the graph that runs, how it came about, and why. Works without weights.
#include "base/nearest.h"
#include "graph/dump/diff.h"
#include "graph/dump/dot.h"
#include "graph/dump/html.h"
#include "graph/dump/json.h"
#include "graph/dump/listing.h"
#include "tools/common.h"
#include "tools/graph_compare.h"
#include "tools/graph_report.h"
#include "tools/graphviz.h"
#include "tools/story.h"

#include <fmt/ranges.h>

#include <algorithm>

namespace vitro {
namespace {

struct Flags : StoryFlags {
    std::string format = "text";
    std::string after = "program";  // the stage that is shown
    std::string diff;               // FROM:TO
    std::string scope;              // a module
    ReceiptFlags receipts;
    GraphCompareFlags compare;
    std::filesystem::path output;
    bool unfold = false;
    bool explain = false;
    bool timings = false;
    bool json = false;
};

const Stage& stage_of(const Story& story, const std::string& name, std::string_view option) {
    std::vector<std::string_view> known;
    for (const Stage& stage : story.stages) known.push_back(stage.name);
    if (std::find(known.begin(), known.end(), name) != known.end()) return story.stage(name);
    const std::string hint = did_you_mean(name, known);
    fail_usage("{}: no stage is called '{}'{}", option, name,
               hint.empty() ? fmt::format("; there are {}", fmt::join(known, ", ")) : hint);
}

/// ": elided in logits by last_rows_only", of a value or module that the source graph has; empty when that is not
/// known.
std::string fate_of(const Story& story, const std::string& path) {
    for (const auto& [value, fate] : story.report.journal.fates)
        if (is_below(value, path))
            return fmt::format(": {}{}{}{} by {}", value == path ? "" : value + " was ", name(fate.kind),
                               fate.into.empty() ? "" : " in ", fate.into, fate.pass);
    return {};
}

/// The part of a stage that --scope names. Error that tells what became of it where passes have removed it.
Graph part_of(const Story& story, const Stage& stage, const std::string& scope) {
    try {
        return scoped(stage.graph, scope);
    } catch (const Error&) {
        const Stage& source = story.stages.front();
        if (&stage == &source) throw;
        const std::string path = whole_path(source.graph, scope);
        scoped(source.graph, path);  // what it refuses there is no pass's doing
        fail("--scope: {} is not there after {}{}; try --after {}", path, stage.name, fate_of(story, path),
             source.name);
    }
}

std::string diff_text(const Story& story, const Flags& flags) {
    const std::size_t colon = flags.diff.find(':');
    if (colon == std::string::npos)
        fail_usage("--diff: expected two stages, such as build:fuse_attention, found '{}'", flags.diff);
    const Stage& from = stage_of(story, flags.diff.substr(0, colon), "--diff");
    const Stage& to = stage_of(story, flags.diff.substr(colon + 1), "--diff");
    const bool is_whole = flags.scope.empty();
    GraphDiff found =
        is_whole ? diff(from.graph, to.graph, story.report.journal)
                 : diff(part_of(story, from, flags.scope), part_of(story, to, flags.scope), story.report.journal);
    found.from = from.name;
    found.to = to.name;
    if (flags.format == "json") return json_of(found);
    if (flags.format != "text") fail_usage("--diff: expected --format text or json, found {}", flags.format);
    return text_of(found, flags.unfold);
}

std::string dump(const Story& story, const Flags& flags) {
    const Stage& stage = stage_of(story, flags.after, "--after");
    const Graph part = flags.scope.empty() ? Graph{} : part_of(story, stage, flags.scope);
    const Subject subject = story.subject(stage, flags.scope.empty() ? stage.graph : part);
    if (flags.format == "json") return json_of(subject);
    if (flags.format == "dot") return dot_of(subject, flags.unfold);
    if (flags.format == "svg") return svg_of(dot_of(subject, flags.unfold));
    if (flags.format == "model-explorer") return model_explorer_json(subject);
    if (flags.format == "model-explorer-cost") return model_explorer_cost_json(subject);
    return listing(subject, flags.unfold);
}

/// The page of all phases, the one of `start` shown at first.
std::string page_of(const std::vector<Story>& stories, const Story& start) {
    HtmlPage page;
    for (const Story& story : stories) page.programs.push_back(&story);
    page.start = static_cast<std::size_t>(&start - stories.data());
    return html_of(page);
}

std::string compared(const Flags& flags) {
    const ComparedStories all = compare_graphs(flags.compare, flags, flags.after);
    if (flags.format == "json") return json_of(all.table);
    if (flags.format == "text") return text_of(all.table, flags.unfold);
    if (flags.format != "html") fail_usage("--compare: expected --format text, html or json, found {}", flags.format);
    HtmlPage page{.comparison = json_of(all.table)};
    for (const Side& side : all.table.sides) {
        page.programs.push_back(side.story);
        page.names.push_back(side.name);
    }
    return html_of(page);
}

int graph(Flags flags) {
    if (flags.json && !flags.explain && !flags.timings) flags.format = "json";
    if (!flags.compare.sides.empty()) {
        if (!flags.receipts.receipt.empty() || !flags.receipts.expect.empty())
            fail_usage("--compare: expected neither --receipt nor --expect, which are of one graph");
        print_or_write(compared(flags), flags.output);
        return 0;
    }
    const Devices devices = open_devices(flags.model);
    // Kept until the process ends: to take the graphs of thousands of layers apart is a tenth of the time.
    static std::vector<Story>& stories = *new std::vector<Story>;
    if (flags.format == "html")
        stories = compile_stories(flags, devices);
    else
        stories.push_back(compile_story(flags, devices));
    Story& story = *std::ranges::find_if(stories, [&](const Story& each) { return each.phase == flags.phase; });
    const int exit_code = check_receipts(story.report, flags.receipts, story.program.graph.name, story.phase);
    explain_load(flags.phase == "load" ? story.program.graph : story.program.load, story.report.journal);
    const std::string scope = flags.scope.empty() ? "" : whole_path(story.stages.front().graph, flags.scope);
    const std::string text = flags.explain            ? explained(story.report, {flags.json, flags.unfold}, scope)
                             : flags.timings          ? timed(story.report, &story.program, flags.json)
                             : !flags.diff.empty()    ? diff_text(story, flags)
                             : flags.format == "html" ? page_of(stories, story)
                                                      : dump(story, flags);
    if (exit_code == 0) print_or_write(text, flags.output);
    return exit_code;
}

}  // namespace

void add_graph(CommandLine& line) {
    auto flags = std::make_shared<Flags>();
    const Command command =
        line.add("graph",
                 "print the graph that runs, or the graph at an earlier stage; works without weights\n"
                 "Example: vitro graph --diff build:fuse_attention --scope layers.0",
                 [flags] { return graph(*flags); });
    add_story_flags(command, *flags);
    const Option format = command.choice(
        "--format", flags->format, {"text", "html", "json", "dot", "svg", "model-explorer", "model-explorer-cost"},
        "text (the default; layers that are alike are folded, and vitro opt and exec read it),\n"
        "html (one page: every stage of every phase, to zoom, search and click), dot, svg (drawn by Graphviz),\n"
        "json (as graph/dump/graph.schema.json says),\n"
        "model-explorer and model-explorer-cost (graph and node data for Google's Model Explorer)");
    command.option("--after", flags->after,
                   "show this stage: build (as the model's code wrote it), a pass (as it left the graph), "
                   "or program (the default: what runs, with kernels and places in memory); "
                   "with --phase load: prefill or decode (the weights that this phase needs), or program",
                   "STAGE");
    const Option diff = command.option("--diff", flags->diff,
                                       "show what appeared, vanished and changed between two stages", "STAGE:STAGE");
    const Option scope =
        command.option("--scope", flags->scope, "show only this module or value, such as layers.0 or lm_head", "PATH");
    command.flag("--unfold", flags->unfold, "show every layer, even if identical to another");
    add_receipt_flags(command, flags->receipts);
    const Option compare = command.several(
        "--compare", [flags](const std::string& side) { flags->compare.sides.push_back(side); },
        "two graphs or more side by side, as text, JSON or a page: the same paths aligned, what differs marked. Each "
        "is "
        "KEY=VALUE,… as vitro compare takes it ('' for what the other flags say), a model's directory, or a graph file "
        "(.vt)",
        "SIDE…");
    const Option prompt = command.option("-p,--prompt", flags->compare.prompt,
                                         "with --compare: run this text on all sides, and show by how much the values "
                                         "of each are off the first side's",
                                         "TEXT");
    const Option tokens = command.list("--tokens", flags->compare.tokens, "token ids in place of a text", "1,2,3");
    const Option predict = command.number("-n,--predict", flags->compare.predict, {0},
                                          "with -p: steps after the text (default 1; 0 with --phase prefill)");
    for (const Option& option : {prompt, tokens, predict}) option.needs(compare);
    prompt.excludes(tokens);
    const Option explain =
        command.flag("--explain", flags->explain,
                     "print for each place where a pass could apply whether it fired, or why not, and what became of "
                     "every value");
    const Option timings = command.flag("--timings", flags->timings, "print the time of each pass");
    const Option json = command.flag("--json", flags->json,
                                     "the same as --format json; with --explain or --timings, print those as JSON");
    for (const Option& report : {explain, timings}) report.excludes(diff).excludes(format).excludes(compare);
    compare.excludes(diff).excludes(scope);
    explain.excludes(timings);
    json.excludes(format);
    command.output("-o,--output", flags->output, "write to this file instead of stdout");
}

}  // namespace vitro
