#include "tools/graph_report.h"

#include "base/json_text.h"
#include "frontend/file.h"
#include "graph/dump/explain.h"
#include "graph/dump/subject.h"
#include "tools/common.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <set>

namespace vitro {
namespace {

constexpr std::size_t kMostReceiptBytes = std::size_t{256} << 20;

/// The part of the story that is told of what is below `scope`.
Journal scoped(const Journal& journal, std::string_view scope) {
    Journal out;
    for (const Finding& finding : journal.findings)
        if (is_below(finding.path, scope)) out.findings.push_back(finding);
    for (const auto& [path, fate] : journal.fates)
        if (is_below(path, scope)) out.fates.emplace(path, fate);
    return out;
}

}  // namespace

void explain_load(const Graph& load, Journal& journal) {
    std::vector<std::set<std::string>> tensors(load.values.size());  // that a value is made of
    for (std::size_t i = 0; i < load.values.size(); ++i)
        if (load.values[i].kind == ValueKind::weight) tensors[i].insert(load.values[i].source);
    for (const Node& node : load.nodes)
        for (const ValueId out : node.outputs)
            for (const ValueId in : present(node.inputs))
                tensors[static_cast<std::size_t>(out)].insert(tensors[static_cast<std::size_t>(in)].begin(),
                                                              tensors[static_cast<std::size_t>(in)].end());
    for (const ValueId id : load.results)
        journal.findings.push_back(
            {"split_load", load.value(id).path, true,
             fmt::format("runs once, at load: {} of {}", load.node(load.value(id).producer).op->name,
                         fmt::join(tensors[static_cast<std::size_t>(id)], ", "))});
}

std::string explained(const PipelineReport& report, const ExplainFlags& flags, std::string_view scope) {
    const Journal journal = scope.empty() ? report.journal : scoped(report.journal, scope);
    return flags.json ? explain_json(report, journal) : explain_text(report, journal, flags.unfold);
}

int check_receipts(const PipelineReport& report, const ReceiptFlags& flags, std::string_view graph,
                   std::string_view phase) {
    if (!flags.receipt.empty()) print_or_write(receipt_json(report, graph, phase), flags.receipt);
    if (flags.expect.empty()) return 0;
    const std::vector<std::string> missing =
        missing_from(report, read_file(flags.expect, kMostReceiptBytes), flags.expect.string(), graph, phase);
    for (const std::string& sentence : missing) print_err("error: {}: {}\n", flags.expect.string(), sentence);
    return missing.empty() ? 0 : 1;
}

void add_receipt_flags(const Command& command, ReceiptFlags& flags) {
    command.output("--receipt", flags.receipt,
                   "write a list of the passes that fired, with their paths, to this JSON file");
    command.option("--expect", flags.expect,
                   "fail, naming the pass and the path, when a fusion does not fire that this file, written by "
                   "--receipt, lists",
                   "FILE");
}

std::string timed(const PipelineReport& report, const Program* program, bool json) {
    nlohmann::ordered_json list = nlohmann::json::array();
    std::string out = fmt::format("{:<28} {:>9} {:>7}  changed\n", "pass", "ms", "nodes");
    for (const PassRecord& pass : report.passes) {
        list.push_back(
            {{"pass", pass.name}, {"seconds", pass.seconds}, {"nodes", pass.nodes_after}, {"changed", pass.changed}});
        out += fmt::format("{:<28} {:>9.3f} {:>7}  {}\n", pass.name, 1e3 * pass.seconds, pass.nodes_after,
                           pass.changed ? "yes" : "no");
    }
    if (program != nullptr) {
        double total = 0;
        for (const PassRecord& pass : report.passes) total += pass.seconds;
        std::vector<StageRecord> stages{{"verify", report.verify_seconds}};
        stages.insert(stages.end(), program->stages.begin(), program->stages.end());
        for (const StageRecord& stage : stages) {
            total += stage.seconds;
            list.push_back({{"stage", stage.name}, {"seconds", stage.seconds}});
            out += fmt::format("{:<28} {:>9.3f}\n", stage.name, 1e3 * stage.seconds);
        }
        out += fmt::format("{:<28} {:>9.3f} {:>7}\n", "graph to program", 1e3 * total, program->graph.nodes.size());
    }
    return json ? json_text(list, 2) + "\n" : out;
}

}  // namespace vitro
