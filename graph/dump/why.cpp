#include "graph/dump/why.h"

#include "base/json_text.h"
#include "base/nearest.h"
#include "graph/text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <set>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

/// The paths of all values of a story that end in `wanted`, or are it.
std::set<std::string> named(const Story& story, std::string_view wanted) {
    std::set<std::string> found;
    const std::string end = fmt::format(".{}", wanted);
    for (const Stage& stage : story.stages)
        for (const ValueInfo& value : stage.graph.values) {
            if (value.path == wanted) return {value.path};
            if (value.path.ends_with(end)) found.insert(value.path);
        }
    return found;
}

std::string path_of(const Story& story, std::string_view wanted) {
    const std::set<std::string> found = named(story, wanted);
    if (found.size() == 1) return *found.begin();
    if (!found.empty())
        fail("'{}' is the end of {} and of {}{}: give more of the path", wanted, *found.begin(),
             *std::next(found.begin()), found.size() > 2 ? fmt::format(" and of {} others", found.size() - 2) : "");
    std::vector<std::string_view> known;
    for (const ValueInfo& value : story.stages.front().graph.values) known.push_back(value.path);
    fail("expected the path of a value, or the end of one, such as layers.0.mlp.gated, found '{}'{}", wanted,
         did_you_mean_path(wanted, known));
}

std::vector<std::string> readers(const Graph& graph, ValueId id) {
    std::vector<std::string> out;
    for (const Node& node : graph.nodes)
        if (std::find(node.inputs.begin(), node.inputs.end(), id) != node.inputs.end())
            out.push_back(fmt::format("{} ({})", graph.value(node.outputs[0]).path, node.op->name));
    for (const ValueId result : graph.results)
        if (result == id) out.push_back("the step's results");
    for (const StateUpdate& update : graph.updates)
        if (update.next == id) out.push_back(fmt::format("the next step, as {}", graph.value(update.state).path));
    return out;
}

/// "matmul(…) {…}" without the names on the left, which are the value's own.
std::string right_side(const Graph& graph, const Node& node) {
    const std::string line = print(graph, node);
    const std::size_t at = line.find(" = ");
    return at == std::string::npos ? line : line.substr(at + 3);
}

/// The line of the value in every stage that changed it, the one that brought it first.
Json changes(const Story& story, const std::string& path) {
    Json all = Json::array();
    std::string before;
    bool was_there = false;
    for (const Stage& stage : story.stages) {
        const ValueId id = stage.graph.find(path);
        std::string line;
        if (id >= 0 && stage.graph.value(id).producer >= 0)
            line = right_side(stage.graph, stage.graph.node(stage.graph.value(id).producer));
        if (id < 0 && was_there) all.push_back({{"stage", stage.name}, {"gone", true}});
        if (id >= 0 && stage.name != "program" && (line != before || !was_there))
            all.push_back({{"stage", stage.name}, {"line", line}});
        if (stage.name != "program") before = line;
        was_there = id >= 0;
    }
    return all;
}

/// Where and when the value of the program lives, what its step costs.
Json life(const Story& story, ValueId id, const TimeOf& time_of) {
    const Program& program = story.program;
    const Graph& graph = program.graph;
    const Subject subject = story.subject(story.stages.back(), graph);  // the stage's own has what load makes, too
    Json out{{"path", graph.value(id).path}};
    const NodeId producer = graph.value(id).producer;
    if (const auto place = place_of(subject, id)) {
        out["memory"] = {{"region", region_of(subject, *place)}, {"offset", place->offset}, {"bytes", place->bytes}};
        for (const Block& block : program.plan.blocks) {
            if (std::find(block.values.begin(), block.values.end(), id) == block.values.end()) continue;
            const auto step = [&](NodeId node) {
                const auto at = std::find_if(program.steps.begin(), program.steps.end(),
                                             [&](const Step& each) { return each.node >= node; });
                return at - program.steps.begin();
            };
            out["memory"]["first_step"] = step(block.first);
            out["memory"]["last_step"] = step(block.last);
            out["memory"]["steps"] = program.steps.size();
        }
    }
    if (producer >= 0) {
        const Node& node = graph.node(producer);
        const Cost cost = cost_of(subject, node);
        out["op"] = node.op->name;
        out["device"] = device_of(subject, node);
        out["moves_bytes"] = cost.bytes;
        out["flops"] = cost.flops;
        if (const auto time = time_of ? time_of(graph.value(node.outputs[0]).path) : std::nullopt)
            out["time"] = {{"seconds", time->seconds},
                           {"of_step", time->of_step},
                           {"of_peak", time->of_peak ? Json(*time->of_peak) : Json()},
                           {"bound", time->bound},
                           {"runs", time->runs}};
        if (node.realizes.size() > 1) out["stands_for"] = node.realizes;
    }
    out["read_by"] = readers(graph, id);
    return out;
}

Json gathered(const Story& story, std::string_view wanted, const TimeOf& time_of) {
    const std::string path = path_of(story, wanted);
    const auto first = std::find_if(story.stages.begin(), story.stages.end(),
                                    [&](const Stage& stage) { return stage.graph.find(path) >= 0; });
    const Subject subject = story.subject(*first);
    const Graph& graph = subject.graph;
    const ValueId id = graph.find(path);
    const ValueInfo& value = graph.value(id);
    Json out{{"path", path}, {"phase", story.phase}, {"kind", name(value.kind)}, {"type", to_string(value.type)}};
    Json symbols = Json::object();
    for (const Dim dim : value.type.shape)
        if (dim.is_symbol()) symbols[std::string(1, dim.symbol)] = subject.bounds.at(dim.symbol);
    out["symbols_at_most"] = symbols;
    out["bytes_at_most"] = bytes_of(subject, id);
    const std::string module(Modules(graph).of(path));
    for (const Module& each : graph.modules)
        if (each.path == module) out["module"] = {{"path", each.path}, {"type", each.type}, {"detail", each.detail}};
    out["first_stage"] = first->name;
    std::vector<std::string> tensors;
    if (value.kind == ValueKind::weight) tensors.push_back(value.source);
    if (value.producer >= 0) {
        const Node& node = graph.node(value.producer);
        if (!node.source.file.empty()) out["source"] = fmt::format("{}:{}", node.source.file, node.source.line);
        for (const ValueId input : node.inputs)
            if (input >= 0 && graph.value(input).kind == ValueKind::weight)
                tensors.push_back(graph.value(input).source);
    }
    out["tensors"] = tensors;
    out["read_by"] = readers(graph, id);
    out["changes"] = changes(story, path);

    const Journal& journal = story.report.journal;
    out["fates"] = Json::array();
    std::set<std::string> names{path};  // of the value, and of what it went into
    for (std::string at = path; journal.fates.contains(at);) {
        const Fate& fate = journal.fates.at(at);
        out["fates"].push_back({{"pass", fate.pass}, {"kind", name(fate.kind)}, {"into", fate.into}});
        at = fate.into;
        if (at.empty() || !names.insert(at).second) break;
    }
    out["findings"] = Json::array();
    for (const Finding& finding : journal.findings)
        if (names.contains(finding.path))
            out["findings"].push_back(
                {{"pass", finding.pass}, {"path", finding.path}, {"fired", finding.fired}, {"reason", finding.reason}});
    const std::string realized = journal.realized_by(path);
    if (const ValueId in_program = story.program.graph.find(realized); !realized.empty() && in_program >= 0)
        out["program"] = life(story, in_program, time_of);
    return out;
}

std::string joined(const Json& list, std::string_view separator) {
    std::string out;
    for (const Json& entry : list) out += (out.empty() ? "" : std::string(separator)) + entry.get<std::string>();
    return out;
}

void row(std::string& out, std::string_view what, std::string_view text) {
    if (!text.empty()) out += fmt::format("{:<12} {}\n", what, text);
}

}  // namespace

std::string why_json(const Story& story, std::string_view path, const TimeOf& time_of) {
    return json_text(gathered(story, path, time_of), 2) + "\n";
}

std::string why_text(const Story& story, std::string_view path, const TimeOf& time_of) {
    const Json life = gathered(story, path, time_of);
    const auto text = [](const Json& object, const char* key) {
        return object.contains(key) ? object[key].get<std::string>() : std::string{};
    };
    std::string out = fmt::format("{}  ({} program)\n", text(life, "path"), text(life, "phase"));
    std::string type = fmt::format("{} {}", text(life, "kind"), text(life, "type"));
    for (const auto& [symbol, bound] : life["symbols_at_most"].items())
        type += fmt::format(", {} at most {}", symbol, bound.get<std::int64_t>());
    row(out, "what", fmt::format("{}: {}", type, human(life["bytes_at_most"].get<std::int64_t>(), "B")));
    if (life.contains("module")) {
        const Json& module = life["module"];
        row(out, "module",
            fmt::format("{} {}({})", text(module, "path"), text(module, "type"), text(module, "detail")));
    }
    row(out, "written",
        life.contains("source") ? fmt::format("at {}", text(life, "source"))
                                : fmt::format("by stage {}", text(life, "first_stage")));
    row(out, "tensors", joined(life["tensors"], ", "));
    row(out, "read by", joined(life["read_by"], ", "));
    for (const Json& change : life["changes"])
        row(out, text(change, "stage").substr(0, 12) == text(change, "stage") ? text(change, "stage") : "pass",
            change.contains("gone")             ? fmt::format("{} removes it", text(change, "stage"))
            : text(change, "stage").size() > 12 ? fmt::format("{}: {}", text(change, "stage"), text(change, "line"))
                                                : text(change, "line"));
    for (const Json& fate : life["fates"])
        row(out, "became",
            fmt::format("{}{}{}, by {}", text(fate, "kind"), text(fate, "into").empty() ? "" : " in ",
                        text(fate, "into"), text(fate, "pass")));
    for (const Json& finding : life["findings"])
        row(out, finding["fired"].get<bool>() ? "fired" : "refused",
            fmt::format(
                "{}: {}{}", text(finding, "pass"), text(finding, "reason"),
                text(finding, "path") == text(life, "path") ? "" : fmt::format(" ({})", text(finding, "path"))));
    if (!life.contains("program")) {
        row(out, "runs",
            text(life, "kind") == "weight" ? "not in this program; --phase load shows whether the load program reads it"
                                           : "not: no result depends on it");
        return out;
    }
    const Json& program = life["program"];
    if (program.contains("op"))
        row(out, "runs",
            fmt::format("{} on {} writes {}: moves {}, {}", text(program, "op"), text(program, "device"),
                        text(program, "path"), human(program["moves_bytes"].get<std::int64_t>(), "B"),
                        human(program["flops"].get<std::int64_t>(), "FLOP")));
    if (program.contains("time")) {
        const Json& time = program["time"];
        row(out, "time",
            fmt::format(
                "{:.4g} us, {:.1f}% of a step of the model, the mean of {}; {}", 1e6 * time["seconds"].get<double>(),
                100 * time["of_step"].get<double>(), time["runs"].get<std::int64_t>(),
                time["of_peak"].is_null()
                    ? "read from a cache"
                    : fmt::format("{:.0f}% of the {} peak", 100 * time["of_peak"].get<double>(), text(time, "bound"))));
    } else if (program.contains("op")) {
        row(out, "time",
            time_of ? "no step of this phase ran (--phase prefill: several tokens; decode: one)"
                    : "-p TEXT runs the model and measures it");
    }
    if (program.contains("stands_for")) row(out, "stands for", joined(program["stands_for"], ", "));
    if (program.contains("memory")) {
        const Json& memory = program["memory"];
        std::string where = fmt::format("{}, {} bytes at offset {}", text(memory, "region"),
                                        memory["bytes"].get<std::int64_t>(), memory["offset"].get<std::int64_t>());
        if (memory.contains("first_step"))
            where += fmt::format(", from step {} to step {} of {}", memory["first_step"].get<std::int64_t>() + 1,
                                 memory["last_step"].get<std::int64_t>() + 1, memory["steps"].get<std::int64_t>());
        row(out, "memory", where);
    }
    row(out, "then read by", joined(program["read_by"], ", "));
    return out;
}

}  // namespace vitro
