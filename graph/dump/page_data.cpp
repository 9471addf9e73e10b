#include "graph/dump/page_data.h"

#include "base/json_text.h"
#include "graph/dump/folded_list.h"
#include "graph/dump/script_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>
#include <utility>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

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
        marks.push_back(
            fmt::format("{}:[{},{}]", json_string(path), json_text(Json(mark.value)), json_string(mark.text)));
    return fmt::format(R"({{"title":{},"log":{},"ofSteps":{},"least":{},"most":{},"marks":{},"drawings":{}}})",
                       json_string(paint.title), paint.is_logarithmic, paint.is_of_steps, json_text(Json(paint.least)),
                       json_text(Json(paint.most)), json_object(marks),
                       json_list(paint.drawings, [](const auto& drawing) {
                           return fmt::format("[{},{}]", json_string(drawing.first), json_string(drawing.second));
                       }));
}

/// Layers `from` to `to` of `layers` in a stage: what is said of layer `of` is said of each of them.
struct Fold {
    std::string_view layers;
    std::int64_t of, from, to;

    bool holds(LayerOfPath at) const { return at.index >= from && at.index <= to && at.layers == layers; }
    std::int64_t count() const { return to - from + 1; }
};

/// The values' fates, those of a layer after each other, layers by their number.
std::vector<const std::pair<const std::string, Fate>*> by_layer(const std::map<std::string, Fate>& fates) {
    std::vector<std::pair<LayerOfPath, const std::pair<const std::string, Fate>*>> all;
    for (const auto& fate : fates) all.emplace_back(layer_of(fate.first), &fate);
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
        return std::pair(a.first.layers, a.first.index) < std::pair(b.first.layers, b.first.index);
    });
    std::vector<const std::pair<const std::string, Fate>*> out;
    for (const auto& [layer, fate] : all) out.push_back(fate);
    return out;
}

/// Gathers the stages. Most nodes are the same in most stages, and layers are alike: a stage lists numbers of nodes.
class Data {
public:
    explicit Data(const Story& story) : story_(story) {}

    /// With the numbers to colour by, if there are any.
    std::string gather(const Paint* paint) {
        const Graph& source = story_.stages.front().graph;
        std::string stages, symbols;
        for (const auto& [symbol, bound] : story_.subject(story_.stages.front()).bounds)
            symbols += fmt::format("{}\"{}\":{}", symbols.empty() ? "" : ",", symbol, bound);
        for (std::size_t i = 0; i < story_.stages.size(); ++i) stages += (i == 0 ? "" : ",\n") + stage_text(i);
        FoldedList fates, modules;
        for (const auto* entry : by_layer(story_.report.journal.fates)) {
            const auto& [path, fate] = *entry;
            fates.add(path, fmt::format("{},{},{},{}", json_string(path), json_string(name(fate.kind)),
                                        json_string(fate.into), json_string(fate.pass)));
        }
        for (const Module& module : source.modules)
            modules.add(module.path + ".", fmt::format("{},{},{}", json_string(module.path), json_string(module.type),
                                                       json_string(module.detail)));
        std::vector<std::string> members{"\"name\":" + json_string(source.name),
                                         "\"phase\":" + json_string(story_.phase),
                                         fmt::format("\"symbols\":{{{}}}", symbols),
                                         "\"modules\":" + modules.take(),
                                         fmt::format("\"stages\":[\n{}]", stages),
                                         "\"ops\":" + ops_text(),
                                         "\"fates\":" + fates.take()};
        add_places(members);
        if (paint != nullptr) members.push_back("\"paint\":" + paint_text(*paint));
        members.push_back("\"nodes\":[" + nodes_ + "]");
        members.push_back("\"values\":" + values_.text());
        members.push_back("\"types\":" + types_.text());
        members.push_back("\"paths\":" + paths_.text());
        return json_object(members);
    }

private:
    /// A node of an earlier stage and its number. The stages' graphs have the same bounds.
    struct Known {
        const Graph* graph = nullptr;
        const Node* node = nullptr;
        Work work{};
        std::size_t index = 0;
    };
    /// Numbers of nodes, as a list of those that follow each other: the first, and how many.
    class Runs {
    public:
        void add(std::size_t number) {
            if (runs_.empty() || runs_.back().first + runs_.back().second != number) runs_.emplace_back(number, 0);
            ++runs_.back().second;
        }
        bool empty() const { return runs_.empty(); }
        /// [first,count],…
        std::string take() {
            std::string out;
            for (const auto& [first, count] : std::exchange(runs_, {}))
                out += fmt::format("{}[{},{}]", out.empty() ? "" : ",", first, count);
            return out;
        }

    private:
        std::vector<std::pair<std::size_t, std::size_t>> runs_;
    };

    std::string stage_text(std::size_t i) {
        const Stage& stage = story_.stages[i];
        // A pass that changed nothing left the graph of the stage before.
        if (i == 0 || !stage.is_same_as(story_.stages[i - 1])) look_at(stage);
        std::string milliseconds = "null";
        for (const PassRecord& record : story_.report.passes)
            if (record.name == stage.name) milliseconds = fmt::format("{:.3f}", 1e3 * record.seconds);
        FoldedList findings;
        for (const Finding& finding : story_.report.journal.findings)
            if (finding.pass == stage.name)
                findings.add(finding.path, fmt::format("{},{},{}", json_string(finding.path), finding.fired,
                                                       json_string(finding.reason)));
        return fmt::format(R"({{"name":{},"equation":{},"ms":{},"nodes":{},"results":{},"repeats":{},"findings":{}}})",
                           json_string(stage.name), json_string(stage.equation), milliseconds, nodes_of_stage_,
                           values_text(story_.subject(stage), stage.graph.results), repeats_of_stage_, findings.take());
    }

    void look_at(const Stage& stage) {
        nodes_of_stage_ = nodes_text(story_.subject(stage), folds_of(stage));
        repeats_of_stage_ = json_list(stage.repeats(), [](const AlikeLayers& repeat) {
            return fmt::format("[{},{},{},{}]", json_string(repeat.layers), repeat.first, repeat.last,
                               json_list(repeat.members, json_string));
        });
    }

    /// The same layer stands for the others in every stage, so that nodes that are the same keep their numbers.
    std::vector<Fold> folds_of(const Stage& stage) {
        std::vector<Fold> folds;
        for (const AlikeLayers& repeat : stage.repeats()) {
            // The first layer reads what the others do not, and the last may be followed by nodes with paths in it.
            const std::int64_t from = repeat.first + 1, to = repeat.last - 1;
            const std::int64_t of = of_.try_emplace(repeat.layers, from + (to - from) / 2).first->second;
            if (from < to && from <= of && of <= to) folds.push_back({repeat.layers, of, from, to});
        }
        return folds;
    }

    /// [first,count] of numbers of nodes; for layers that are folded [[[first,count],…],layers,of,from,to].
    std::string nodes_text(const Subject& subject, const std::vector<Fold>& folds) {
        const std::size_t n_nodes = subject.graph.nodes.size();
        const Works works(subject);
        std::vector<LayerOfPath> layers;
        if (!folds.empty())
            for (const Node& node : subject.graph.nodes)
                layers.push_back(layer_of(subject.graph.value(node.outputs[0]).path));
        std::string out;
        Runs runs;
        const auto write = [&](const std::string& text) { out += (out.empty() ? "" : ",") + text; };
        for (std::size_t n = 0; n < n_nodes;) {
            const auto fold =
                std::find_if(folds.begin(), folds.end(), [&](const Fold& each) { return each.holds(layers[n]); });
            const std::size_t size = fold == folds.end() ? 0 : nodes_in_layer(layers, n, *fold);
            if (size == 0) {
                runs.add(index_of(subject, static_cast<NodeId>(n), works));
                ++n;
                continue;
            }
            if (!runs.empty()) write(runs.take());
            const std::size_t first = n + size * static_cast<std::size_t>(fold->of - fold->from);
            for (std::size_t i = first; i < first + size; ++i)
                runs.add(index_of(subject, static_cast<NodeId>(i), works));
            write(fmt::format("[[{}],{},{},{},{}]", runs.take(), json_string(fold->layers), fold->of, fold->from,
                              fold->to));
            n += size * static_cast<std::size_t>(fold->count());
        }
        if (!runs.empty()) write(runs.take());
        return "[" + out + "]";
    }

    /// How many nodes each layer of a fold has, whose nodes begin at `begin`; 0 if they do not follow each other, layer
    /// by layer.
    static std::size_t nodes_in_layer(const std::vector<LayerOfPath>& layers, std::size_t begin, const Fold& fold) {
        std::size_t size = 0;
        while (begin + size < layers.size() && layers[begin + size].index == layers[begin].index &&
               fold.holds(layers[begin + size]))
            ++size;
        const std::size_t all = size * static_cast<std::size_t>(fold.count());
        if (begin + all > layers.size()) return 0;
        for (std::size_t i = 0; i < all; ++i)
            if (!fold.holds(layers[begin + i]) ||
                layers[begin + i].index != fold.from + static_cast<std::int64_t>(i / size))
                return 0;
        return size;
    }

    /// The number of a node; most are known from the stage before.
    std::size_t index_of(const Subject& subject, NodeId id, const Works& works) {
        const Node& node = subject.graph.node(id);
        const Work work = works.of(id);
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
            has_absent ? json_list(names_of_inputs(node), json_string) : "null",  // null: the op's
            json_string(name(work)), values_text(subject, node.inputs), values_text(subject, node.outputs),
            json_list(node.attributes.texts(),
                      [](const auto& field) {
                          return fmt::format("[{},{}]", json_string(field.first), json_string(field.second));
                      }),
            json_list(node.realizes,
                      [&](const std::string& path) { return fmt::format("{}", paths_.index(json_string(path))); }),
            json_string(node.source.file.empty() ? "" : fmt::format("{}:{}", node.source.file, node.source.line)),
            op.is_view ? 0 : cost.bytes, cost.flops);
    }

    std::string values_text(const Subject& subject, const std::vector<ValueId>& ids) {
        return json_list(present(ids), [&](ValueId id) { return fmt::format("{}", index_of(subject, id)); });
    }

    /// The number of a value; it is named by several nodes, and in most stages.
    std::size_t index_of(const Subject& subject, ValueId id) {
        const ValueInfo& value = subject.graph.value(id);
        auto& [known, index] = known_values_[value.path];
        if (known == nullptr || known->kind != value.kind || known->type != value.type) {
            known = &value;
            index = values_.index(fmt::format("[{},{},{},{}]", paths_.index(json_string(value.path)),
                                              json_string(name(value.kind)),
                                              types_.index(json_string(to_string(value.type))), bytes_of(subject, id)));
        }
        return index;
    }

    std::string ops_text() const {
        std::vector<std::string> members;
        for (const auto& [op_name, op] : ops_)
            members.push_back(fmt::format(R"({}:{{"doc":{},"inputs":{},"fused":{},"view":{}}})", json_string(op_name),
                                          json_string(op->doc), json_list(input_names(*op), json_string),
                                          op->decompose != nullptr, op->is_view));
        return json_object(members);
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
        FoldedList places, devices, sources;
        for (std::size_t i = 0; i < last.graph.values.size(); ++i) {
            const auto place = place_of(subject, static_cast<ValueId>(i));
            if (!place) continue;
            const std::string& path = last.graph.values[i].path;
            const auto [first_step, last_step] = steps[static_cast<std::size_t>(story_.program.graph.find(path))];
            places.add(path, fmt::format("{},{}", json_string(path), json_string(region_of(subject, *place))),
                       {static_cast<std::int64_t>(place->offset), static_cast<std::int64_t>(place->bytes), first_step,
                        last_step});
        }
        for (const ValueInfo& value : story_.stages.front().graph.values)
            if (value.kind == ValueKind::weight && value.source != value.path)
                sources.add(value.path, fmt::format("{},{}", json_string(value.path), json_string(value.source)));
        for (const Node& node : last.graph.nodes)
            if (const std::string device = device_of(subject, node); !device.empty()) {
                const std::string& path = last.graph.value(node.outputs[0]).path;
                devices.add(path, fmt::format("{},{}", json_string(path), json_string(device)));
            }
        std::vector<std::string> regions;
        for (const auto& [region, bytes] : regions_of(subject))
            regions.push_back(fmt::format("{}:{}", json_string(region), bytes));
        members.push_back("\"places\":" + places.take());
        members.push_back("\"devices\":" + devices.take());
        members.push_back("\"sources\":" + sources.take());
        members.push_back("\"regions\":" + json_object(regions));
    }

    const Story& story_;
    std::string nodes_;
    std::size_t n_nodes_ = 0;
    Table values_, types_, paths_;
    std::unordered_map<std::string_view, Known> known_;  // by its first output's path
    std::unordered_map<std::string_view, std::pair<const ValueInfo*, std::size_t>> known_values_;  // by path
    std::string nodes_of_stage_, repeats_of_stage_;  // of the last one looked at
    std::map<std::string_view, const OpDef*> ops_;   // that nodes have
    std::map<std::string, std::int64_t> of_;         // by the path of layers: which stands for the others
};

}  // namespace

std::string page_data(const Story& story, const Paint* paint) { return Data(story).gather(paint); }

}  // namespace vitro
