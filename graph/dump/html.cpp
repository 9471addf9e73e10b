#include "graph/dump/html.h"

#include "graph/dump/markup.h"
#include "graph/dump/repeat.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>

namespace vitro {

std::string_view html_file(std::string_view name);  // defined by cmake/embed.cmake

namespace {

using Json = nlohmann::ordered_json;

// The data are written as text at once: of thousands of layers, a tree of JSON values takes longer than all the rest.

/// JSON that ends no script element, nor begins what would hide its end: "<" in its strings is written by its number,
/// which means the same.
std::string ends_no_script(std::string_view json) {
    std::string out;
    for (const char c : json) c == '<' ? out += "\\u003c" : out += c;
    return out;
}

/// A JSON string that may stand in a script element.
std::string json_string(std::string_view text) {
    const auto stands_as_it_is = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\' && c != '<'; };
    if (std::all_of(text.begin(), text.end(), stands_as_it_is)) return fmt::format("\"{}\"", text);
    return ends_no_script(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace));
}

/// [text(a),text(b),…]
template <class Range, class Text>
std::string list(Range&& range, Text&& text) {
    std::string out = "[";
    for (const auto& each : range) {
        if (out.size() > 1) out += ',';
        out += text(each);
    }
    return out += ']';
}

/// {"a":1,"b":2}, given the members.
std::string object(const std::vector<std::string>& members) {
    std::string out = "{";
    for (const std::string& member : members) {
        if (out.size() > 1) out += ',';
        out += member;
    }
    return out += '}';
}

/// Distinct things, numbered in the order of their first use.
class Table {
public:
    std::size_t index(std::string json) {
        const auto [at, is_new] = index_.try_emplace(std::move(json), index_.size());
        if (!is_new) return at->second;
        if (!all_.empty()) all_ += ',';
        all_ += at->first;
        return at->second;
    }
    std::string text() const { return fmt::format("[{}]", all_); }

private:
    std::unordered_map<std::string, std::size_t> index_;
    std::string all_;
};

std::string paint_text(const Paint& paint) {
    std::vector<std::string> marks;
    for (const auto& [path, mark] : paint.marks)
        marks.push_back(fmt::format("{}:[{},{}]", json_string(path), Json(mark.value).dump(), json_string(mark.text)));
    return fmt::format(R"({{"title":{},"log":{},"least":{},"most":{},"marks":{},"drawings":{}}})",
                       json_string(paint.title), paint.is_logarithmic, Json(paint.least).dump(),
                       Json(paint.most).dump(), object(marks), list(paint.drawings, [](const auto& drawing) {
                           return fmt::format("[{},{}]", json_string(drawing.first), json_string(drawing.second));
                       }));
}

/// Gathers the stages. Most nodes are the same in most stages: a stage lists numbers of nodes.
class Data {
public:
    explicit Data(const Story& story) : story_(story) {}

    /// With the numbers to colour by, if there are any.
    std::string gather(const Paint* paint) {
        const Graph& source = story_.stages.front().graph;
        std::string stages, fates, symbols;
        for (const auto& [symbol, bound] : source.bounds)
            symbols += fmt::format("{}\"{}\":{}", symbols.empty() ? "" : ",", symbol, bound);
        for (std::size_t i = 0; i < story_.stages.size(); ++i) stages += (i == 0 ? "" : ",\n") + stage_text(i);
        for (const auto& [path, fate] : story_.report.journal.fates)
            fates += fmt::format("{}{}:[{},{},{}]", fates.empty() ? "" : ",", json_string(path),
                                 json_string(name(fate.kind)), json_string(fate.into), json_string(fate.pass));
        const std::string modules = list(source.modules, [](const Module& module) {
            return fmt::format("[{},{},{}]", json_string(module.path), json_string(module.type),
                               json_string(module.detail));
        });
        std::vector<std::string> members{
            "\"name\":" + json_string(source.name),     "\"phase\":" + json_string(story_.phase),
            fmt::format("\"symbols\":{{{}}}", symbols), "\"modules\":" + modules,
            fmt::format("\"stages\":[\n{}]", stages),   "\"ops\":" + ops_text(),
            fmt::format("\"fates\":{{{}}}", fates)};
        add_places(members);
        if (paint != nullptr) members.push_back("\"paint\":" + paint_text(*paint));
        members.push_back("\"nodes\":[" + nodes_ + "]");
        members.push_back("\"values\":" + values_.text());
        members.push_back("\"types\":" + types_.text());
        members.push_back("\"paths\":" + paths_.text());
        return object(members);
    }

private:
    /// A node of an earlier stage and its number. The stages' graphs have the same bounds.
    struct Known {
        const Graph* graph = nullptr;
        const Node* node = nullptr;
        Work work{};
        std::size_t index = 0;
    };

    std::string stage_text(std::size_t i) {
        const Stage& stage = story_.stages[i];
        // A pass that changed nothing left the graph of the stage before.
        if (i == 0 || !stage.is_same_as(story_.stages[i - 1])) look_at(stage);
        std::string milliseconds = "null";
        for (const PassRecord& record : story_.report.passes)
            if (record.name == stage.name) milliseconds = fmt::format("{:.3f}", 1e3 * record.seconds);
        std::vector<const Finding*> findings;
        for (const Finding& finding : story_.report.journal.findings)
            if (finding.pass == stage.name) findings.push_back(&finding);
        const std::string findings_text = list(findings, [](const Finding* finding) {
            return fmt::format("[{},{},{}]", json_string(finding->path), finding->fired, json_string(finding->reason));
        });
        return fmt::format(R"({{"name":{},"equation":{},"ms":{},"nodes":{},"results":{},"repeats":{},"findings":{}}})",
                           json_string(stage.name), json_string(stage.equation), milliseconds, nodes_of_stage_,
                           values_text(stage.graph, stage.graph.results), repeats_of_stage_, findings_text);
    }

    void look_at(const Stage& stage) {
        const Subject subject = story_.subject(stage);
        const std::vector<Work> works = works_of(subject);
        std::vector<std::pair<std::size_t, std::size_t>> runs;  // of numbers that follow each other: first, how many
        for (std::size_t n = 0; n < works.size(); ++n) {
            const std::size_t number = index_of(subject, stage.graph.nodes[n], works[n]);
            if (runs.empty() || runs.back().first + runs.back().second != number) runs.emplace_back(number, 0);
            ++runs.back().second;
        }
        nodes_of_stage_ = list(runs, [](const auto& run) { return fmt::format("[{},{}]", run.first, run.second); });
        repeats_of_stage_ = list(find_repeats(stage.graph), [](const Repeat& repeat) {
            return fmt::format("[{},{},{},{}]", json_string(repeat.layers), repeat.first, repeat.last,
                               list(repeat.members, json_string));
        });
    }

    /// The number of a node; most are known from the stage before.
    std::size_t index_of(const Subject& subject, const Node& node, Work work) {
        const std::string_view path = subject.graph.value(node.outputs[0]).path;
        const auto [known, is_new] = known_.try_emplace(path, Known{});
        if (is_new || !is_same(known->second, subject.graph, node, work))
            known->second = {&subject.graph, &node, work, add_node(node_text(subject, node, work))};
        return known->second.index;
    }

    std::size_t add_node(const std::string& json) {
        if (n_nodes_ > 0) nodes_ += ',';
        nodes_ += json;
        return n_nodes_++;
    }

    static bool is_same(const Known& known, const Graph& graph, const Node& node, Work work) {
        const auto same_values = [&](const std::vector<ValueId>& ids, const std::vector<ValueId>& others) {
            return std::equal(ids.begin(), ids.end(), others.begin(), others.end(), [&](ValueId id, ValueId other) {
                if (id == kAbsent || other == kAbsent) return id == other;
                const ValueInfo &a = graph.value(id), &b = known.graph->value(other);
                return a.path == b.path && a.kind == b.kind && a.type == b.type;
            });
        };
        const Node& other = *known.node;
        return node.op == other.op && work == known.work && node.attributes == other.attributes &&
               node.source == other.source && node.realizes == other.realizes &&
               same_values(node.inputs, other.inputs) && same_values(node.outputs, other.outputs);
    }

    std::string node_text(const Subject& subject, const Node& node, Work work) {
        const OpDef& op = *node.op;
        ops_.emplace(op.name, &op);
        const Cost cost = cost_of(subject, node);
        const bool has_absent = std::ranges::distance(present(node.inputs)) < std::ssize(op.inputs);
        return fmt::format(
            R"({{"o":{},"n":{},"w":{},"i":{},"u":{},"a":{},"r":{},"s":{},"b":{},"f":{}}})", json_string(op.name),
            has_absent ? list(names_of_inputs(node), json_string) : "null",  // null: the op's
            json_string(name(work)), values_text(subject.graph, node.inputs), values_text(subject.graph, node.outputs),
            list(node.attributes.texts(),
                 [](const auto& field) {
                     return fmt::format("[{},{}]", json_string(field.first), json_string(field.second));
                 }),
            list(node.realizes,
                 [&](const std::string& path) { return fmt::format("{}", paths_.index(json_string(path))); }),
            json_string(node.source.file.empty() ? "" : fmt::format("{}:{}", node.source.file, node.source.line)),
            op.is_view ? 0 : cost.bytes, cost.flops);
    }

    std::string values_text(const Graph& graph, const std::vector<ValueId>& ids) {
        return list(present(ids), [&](ValueId id) { return fmt::format("{}", index_of(graph, id)); });
    }

    /// The number of a value; it is named by several nodes, and in most stages.
    std::size_t index_of(const Graph& graph, ValueId id) {
        const ValueInfo& value = graph.value(id);
        auto& [known, index] = known_values_[value.path];
        if (known == nullptr || known->kind != value.kind || known->type != value.type) {
            known = &value;
            index = values_.index(fmt::format("[{},{},{},{}]", paths_.index(json_string(value.path)),
                                              json_string(name(value.kind)),
                                              types_.index(json_string(to_string(value.type))), bytes_of(graph, id)));
        }
        return index;
    }

    std::string ops_text() const {
        std::vector<std::string> members;
        for (const auto& [op_name, op] : ops_)
            members.push_back(fmt::format(R"({}:{{"doc":{},"inputs":{},"fused":{},"view":{}}})", json_string(op_name),
                                          json_string(op->doc), list(input_names(*op), json_string),
                                          op->decompose != nullptr, op->is_view));
        return object(members);
    }

    /// By ValueId of the program: the first and the last step that need it, counted from 1; 0 of what is in no arena.
    std::vector<std::pair<std::int64_t, std::int64_t>> steps_of_values() const {
        const Program& program = story_.program;
        std::vector<std::int64_t> steps_before(program.graph.nodes.size() + 1);  // by NodeId
        for (const Step& step : program.steps) ++steps_before[static_cast<std::size_t>(step.node) + 1];
        std::partial_sum(steps_before.begin(), steps_before.end(), steps_before.begin());
        std::vector<std::pair<std::int64_t, std::int64_t>> out(program.graph.values.size());
        for (const Block& block : program.plan.blocks)
            for (const ValueId id : block.values)
                out[static_cast<std::size_t>(id)] = {1 + steps_before[static_cast<std::size_t>(block.first)],
                                                     1 + steps_before[static_cast<std::size_t>(block.last)]};
        return out;
    }

    void add_places(std::vector<std::string>& members) const {
        const Stage& last = story_.stages.back();
        const Subject subject = story_.subject(last);
        const auto steps = steps_of_values();
        std::vector<std::string> places, devices, sources, regions;
        for (std::size_t i = 0; i < last.graph.values.size(); ++i) {
            const auto place = place_of(subject, static_cast<ValueId>(i));
            if (!place) continue;
            const std::string& path = last.graph.values[i].path;
            const auto [first_step, last_step] = steps[static_cast<std::size_t>(story_.program.graph.find(path))];
            places.push_back(fmt::format("{}:[{},{},{}{}]", json_string(path), json_string(region_of(subject, *place)),
                                         place->offset, place->bytes,
                                         first_step == 0 ? "" : fmt::format(",{},{}", first_step, last_step)));
        }
        for (const ValueInfo& value : story_.stages.front().graph.values)
            if (value.kind == ValueKind::weight && value.source != value.path)
                sources.push_back(fmt::format("{}:{}", json_string(value.path), json_string(value.source)));
        for (const Node& node : last.graph.nodes)
            if (const std::string device = device_of(subject, node); !device.empty())
                devices.push_back(
                    fmt::format("{}:{}", json_string(last.graph.value(node.outputs[0]).path), json_string(device)));
        for (const auto& [region, bytes] : regions_of(subject))
            regions.push_back(fmt::format("{}:{}", json_string(region), bytes));
        members.push_back("\"places\":" + object(places));
        members.push_back("\"devices\":" + object(devices));
        members.push_back("\"sources\":" + object(sources));
        members.push_back("\"regions\":" + object(regions));
    }

    const Story& story_;
    std::string nodes_;
    std::size_t n_nodes_ = 0;
    Table values_, types_, paths_;
    std::unordered_map<std::string_view, Known> known_;  // by its first output's path
    std::unordered_map<std::string_view, std::pair<const ValueInfo*, std::size_t>> known_values_;  // by path
    std::string nodes_of_stage_, repeats_of_stage_;  // of the last one looked at
    std::map<std::string_view, const OpDef*> ops_;   // that nodes have
};

/// The text between script tags, which a browser does not run.
std::string data_script(std::string_view id, std::string_view json) {
    return fmt::format("<script type=\"application/json\" id=\"{}\">{}</script>\n", id, json);
}

}  // namespace

std::string html_of(const Story& story, const Paint* paint) { return html_of({.programs = {&story}, .paint = paint}); }

std::string html_of(const HtmlPage& page) {
    VITRO_CHECK(page.start < page.programs.size(), "a page of {} programs begins with number {}", page.programs.size(),
                page.start);
    std::vector<std::string> names = page.names;
    if (names.empty())
        for (const Story* story : page.programs) names.push_back(story->phase);
    std::string data = data_script(
        "page-data", object({"\"programs\":" + list(names, json_string), fmt::format("\"start\":{}", page.start)}));
    for (std::size_t i = 0; i < page.programs.size(); ++i)
        data += data_script(fmt::format("program-{}", i), Data(*page.programs[i]).gather(page.paint));
    if (!page.comparison.empty()) data += data_script("comparison-data", ends_no_script(page.comparison));
    if (!page.run.empty()) data += data_script("run-data", ends_no_script(page.run));
    // A line that is a name between two @ stands for that file, or for what only this page has.
    std::string out;
    std::string_view rest = html_file("page.html");
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        const std::string_view name = line.size() > 2 && line.front() == '@' ? line.substr(1, line.size() - 2) : "";
        if (name == "DATA")
            out += data;
        else if (name.empty())
            out.append(line) += '\n';
        else
            out.append(html_file(name)) += '\n';
    }
    const std::string_view mark = "@TITLE@";
    const std::size_t at = out.find(mark);
    VITRO_CHECK(at != std::string::npos, "page.html has no {}", mark);
    return out.replace(at, mark.size(), escaped(page.programs.front()->stages.front().graph.name));
}

}  // namespace vitro
