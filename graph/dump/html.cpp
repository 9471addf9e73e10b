#include "graph/dump/html.h"

#include "graph/dump/repeat.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <unordered_map>

namespace vitro {

std::string_view html_file(std::string_view name);  // defined by cmake/embed.cmake

namespace {

using Json = nlohmann::ordered_json;

/// An object whose keys are known to differ: Json itself would compare each new one with all that are there.
class ByPath {
public:
    void emplace_back(const std::string& path, Json value) {
        std::vector<std::pair<const std::string, Json>>& members = members_;
        members.emplace_back(path, std::move(value));
    }
    operator Json() && { return Json(std::move(members_)); }

private:
    Json::object_t members_;
};

/// Distinct things, numbered in the order of their first use.
class Table {
public:
    std::size_t index(const Json& thing) {
        const auto [at, is_new] = index_.emplace(thing.dump(), index_.size());
        if (is_new) all_.push_back(thing);
        return at->second;
    }
    Json take() { return std::move(all_); }

private:
    std::unordered_map<std::string, std::size_t> index_;
    Json all_ = Json::array();
};

/// Gathers the stages. Most nodes are the same in most stages: a stage lists numbers of nodes.
class Data {
public:
    explicit Data(const Story& story) : story_(story) {}

    Json gather() {
        const Graph& source = story_.stages.front().graph;
        Json out{{"name", source.name}, {"phase", story_.phase}, {"symbols", Json::object()}};
        for (const auto& [symbol, bound] : source.bounds) out["symbols"][std::string(1, symbol)] = bound;
        for (const Module& module : source.modules) out["modules"].push_back({module.path, module.type, module.detail});
        for (std::size_t i = 0; i < story_.stages.size(); ++i) out["stages"].push_back(stage_json(i));
        out["ops"] = std::move(ops_);
        ByPath fates;
        for (const auto& [path, fate] : story_.report.journal.fates)
            fates.emplace_back(path, Json{name(fate.kind), fate.into, fate.pass});
        out["fates"] = std::move(fates);
        add_places(out);
        out["nodes"] = nodes_.take();
        out["values"] = values_.take();
        out["types"] = types_.take();
        out["paths"] = paths_.take();
        return out;
    }

private:
    /// A node of an earlier stage and its number. The stages' graphs have the same bounds.
    struct Known {
        const Graph* graph = nullptr;
        const Node* node = nullptr;
        Work work{};
        std::size_t index = 0;
    };

    Json stage_json(std::size_t i) {
        const Stage& stage = story_.stages[i];
        const Subject subject = story_.subject(stage);
        Json out{{"name", stage.name},       {"equation", stage.equation},
                 {"nodes", Json::array()},   {"results", values_json(stage.graph, stage.graph.results)},
                 {"repeats", Json::array()}, {"findings", Json::array()}};
        for (const PassRecord& record : story_.report.passes)
            if (record.name == stage.name) out["ms"] = 1e3 * record.seconds;
        const std::vector<Work> works = works_of(subject);
        std::vector<std::size_t> nodes;
        for (std::size_t n = 0; n < works.size(); ++n)
            nodes.push_back(index_of(subject, stage.graph.nodes[n], works[n]));
        out["nodes"] = nodes;
        // Of what a pass left as it was.
        if (i > 0 && nodes == nodes_of_last_ && stage.graph.values.size() == story_.stages[i - 1].graph.values.size()) {
            out["repeats"] = repeats_of_last_;
        } else {
            for (const Repeat& repeat : find_repeats(stage.graph))
                out["repeats"].push_back({repeat.layers, repeat.first, repeat.last, repeat.members});
        }
        nodes_of_last_ = std::move(nodes);
        repeats_of_last_ = out["repeats"];
        for (const Finding& finding : story_.report.journal.findings)
            if (finding.pass == stage.name) out["findings"].push_back({finding.path, finding.fired, finding.reason});
        return out;
    }

    /// The number of a node; most are known from the stage before.
    std::size_t index_of(const Subject& subject, const Node& node, Work work) {
        const std::string_view path = subject.graph.value(node.outputs[0]).path;
        const auto [known, is_new] = known_.try_emplace(path, Known{});
        if (is_new || !is_same(known->second, subject.graph, node, work))
            known->second = {&subject.graph, &node, work, nodes_.index(node_json(subject, node, work))};
        return known->second.index;
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

    Json node_json(const Subject& subject, const Node& node, Work work) {
        const OpDef& op = *node.op;
        ops_[std::string(op.name)] = {
            {"doc", op.doc}, {"inputs", input_names(op)}, {"fused", op.decompose != nullptr}, {"view", op.is_view}};
        Json attributes = Json::array(), realizes = Json::array();
        for (const auto& [field, text] : node.attributes.texts()) attributes.push_back({field, text});
        for (const std::string& path : node.realizes) realizes.push_back(paths_.index(path));
        const Cost cost = cost_of(subject, node);
        const bool has_absent = std::ranges::distance(present(node.inputs)) < std::ssize(op.inputs);
        return {{"o", op.name},
                {"n", has_absent ? Json(names_of_inputs(node)) : Json()},  // null: the op's
                {"w", name(work)},
                {"i", values_json(subject.graph, node.inputs)},
                {"u", values_json(subject.graph, node.outputs)},
                {"a", std::move(attributes)},
                {"r", std::move(realizes)},
                {"s", node.source.file.empty() ? "" : fmt::format("{}:{}", node.source.file, node.source.line)},
                {"b", op.is_view ? 0 : cost.bytes},
                {"f", cost.flops}};
    }

    Json values_json(const Graph& graph, const std::vector<ValueId>& ids) {
        Json out = Json::array();
        for (const ValueId id : present(ids)) {
            const ValueInfo& value = graph.value(id);
            out.push_back(values_.index({paths_.index(value.path), name(value.kind),
                                         types_.index(to_string(value.type)), bytes_of(graph, id)}));
        }
        return out;
    }

    /// Region, offset and bytes; in an arena also the first and the last step that need it, counted from 1.
    Json place_json(const Subject& subject, ValueId id, const Place& place) const {
        Json out{region_of(subject, place), place.offset, place.bytes};
        const Program& program = story_.program;
        const ValueId planned = program.graph.find(subject.graph.value(id).path);
        for (const Block& block : program.plan.blocks) {
            if (std::find(block.values.begin(), block.values.end(), planned) == block.values.end()) continue;
            for (const NodeId node : {block.first, block.last})
                out.push_back(1 + std::count_if(program.steps.begin(), program.steps.end(),
                                                [&](const Step& step) { return step.node < node; }));
        }
        return out;
    }

    void add_places(Json& out) const {
        const Stage& last = story_.stages.back();
        const Subject subject = story_.subject(last);
        ByPath places, devices, sources;
        Json regions = Json::object();
        for (std::size_t i = 0; i < last.graph.values.size(); ++i)
            if (const auto place = place_of(subject, static_cast<ValueId>(i)))
                places.emplace_back(last.graph.values[i].path, place_json(subject, static_cast<ValueId>(i), *place));
        for (const ValueInfo& value : story_.stages.front().graph.values)
            if (value.kind == ValueKind::weight && value.source != value.path)
                sources.emplace_back(value.path, value.source);
        for (const Node& node : last.graph.nodes)
            if (const std::string device = device_of(subject, node); !device.empty())
                devices.emplace_back(last.graph.value(node.outputs[0]).path, device);
        for (const auto& [region, bytes] : regions_of(subject)) regions[region] = bytes;
        out["places"] = std::move(places);
        out["devices"] = std::move(devices);
        out["sources"] = std::move(sources);
        out["regions"] = std::move(regions);
    }

    const Story& story_;
    Table nodes_, values_, types_, paths_;
    std::unordered_map<std::string_view, Known> known_;  // by its first output's path
    std::vector<std::size_t> nodes_of_last_;             // of the stage before
    Json repeats_of_last_;
    Json ops_ = Json::object();
};

Json paint_json(const Paint& paint) {
    ByPath marks;
    for (const auto& [path, mark] : paint.marks) marks.emplace_back(path, Json{mark.value, mark.text});
    Json drawings = Json::array();
    for (const auto& [heading, svg] : paint.drawings) drawings.push_back({heading, svg});
    return {{"title", paint.title}, {"log", paint.is_logarithmic}, {"least", paint.least},
            {"most", paint.most},   {"marks", std::move(marks)},   {"drawings", std::move(drawings)}};
}

void replace(std::string& text, std::string_view mark, std::string_view by) {
    const std::size_t at = text.find(mark);
    VITRO_CHECK(at != std::string::npos, "page.html has no {}", mark);
    text.replace(at, mark.size(), by);
}

/// `text` with "</" as "<\/", which means the same in JSON and ends no script element.
std::string inside_script(const std::string& text) {
    std::string out;
    out.reserve(text.size() + text.size() / 64);
    for (const char c : text) {
        if (c == '/' && out.ends_with('<')) out += '\\';
        out += c;
    }
    return out;
}

}  // namespace

std::string html_of(const Story& story, const Paint* paint) {
    std::string page(html_file("page.html"));
    std::string title;
    for (const char c : story.stages.front().graph.name) title += c == '<' ? std::string("&lt;") : std::string(1, c);
    replace(page, "@TITLE@", title);
    for (const char* name : {"style.css", "story.js", "paint.js", "layout.js", "panel.js", "view.js"})
        replace(page, fmt::format("@{}@", name), html_file(name));
    // Last, and text that stands in the data is not looked at again.
    Json data = Data(story).gather();
    if (paint != nullptr) data["paint"] = paint_json(*paint);
    replace(page, "@DATA@", inside_script(data.dump()));
    return page;
}

}  // namespace vitro
