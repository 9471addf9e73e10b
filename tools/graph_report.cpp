#include "tools/graph_report.h"

#include "graph/dump/subject.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <set>

namespace vitro {
namespace {

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

void explain_load(const Program& program, Journal& journal) {
    const Graph& load = program.load;
    std::vector<std::set<std::string>> tensors(load.values.size());  // that a value is made of
    for (std::size_t i = 0; i < load.values.size(); ++i)
        if (load.values[i].kind == ValueKind::weight) tensors[i].insert(load.values[i].source);
    for (const Node& node : load.nodes)
        for (const ValueId out : node.outputs)
            for (const ValueId in : node.inputs)
                tensors[static_cast<std::size_t>(out)].insert(tensors[static_cast<std::size_t>(in)].begin(),
                                                              tensors[static_cast<std::size_t>(in)].end());
    for (const ValueId id : load.results)
        journal.findings.push_back(
            {"split_load", load.value(id).path, true,
             fmt::format("runs once, at load: {} of {}", load.node(load.value(id).producer).op->name,
                         fmt::join(tensors[static_cast<std::size_t>(id)], ", "))});
}

std::string explained(const PipelineReport& report, bool json, std::string_view scope) {
    const Journal journal = scope.empty() ? report.journal : scoped(report.journal, scope);
    if (json) {
        nlohmann::ordered_json out{{"findings", nlohmann::json::array()}, {"fates", nlohmann::json::array()}};
        for (const Finding& finding : journal.findings)
            out["findings"].push_back(
                {{"pass", finding.pass}, {"path", finding.path}, {"fired", finding.fired}, {"reason", finding.reason}});
        for (const auto& [path, fate] : journal.fates)
            out["fates"].push_back(
                {{"path", path}, {"kind", name(fate.kind)}, {"into", fate.into}, {"pass", fate.pass}});
        return out.dump(2) + "\n";
    }
    std::string out;
    for (const Finding& finding : journal.findings)
        out += fmt::format("{:<28} {:<8} {}: {}\n", finding.pass, finding.fired ? "fired" : "refused", finding.path,
                           finding.reason);
    for (const auto& [path, fate] : journal.fates)
        out += fmt::format("{:<28} {:<8} {}{}{}\n", fate.pass, name(fate.kind), path, fate.into.empty() ? "" : " in ",
                           fate.into);
    return out;
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
    return json ? list.dump(2) + "\n" : out;
}

}  // namespace vitro
