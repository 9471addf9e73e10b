#include "graph/dump/dot.h"

#include "graph/dump/markup.h"
#include "graph/dump/repeat.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace vitro {
namespace {

/// A value that more nodes than these read is named in them; so many edges would hide the others.
constexpr std::size_t kMostEdges = 6;

std::string_view frame_of(const std::string& device) { return device.starts_with("cuda") ? "#2e7d32" : "#5f6b7a"; }

class Drawing {
public:
    Drawing(const Subject& subject, bool unfold)
        : subject_(subject), graph_(subject.graph), modules_(graph_), works_(subject) {
        if (!unfold) repeats_ = find_repeats(graph_);
        for (const Node& node : graph_.nodes)
            if (is_drawn(path(node.outputs[0])))
                for (const ValueId id : std::set<ValueId>(node.inputs.begin(), node.inputs.end()))
                    if (id != kAbsent) ++readers_[drawn(id)];
    }

    std::string draw() {
        std::string text = "digraph {\n";
        text += fmt::format(
            "  graph [label=<{}> labelloc=t fontname=\"Helvetica\" fontsize=11 rankdir=TB nodesep=0.25 ranksep=0.35 "
            "compound=true newrank=true tooltip=\"\"]\n",
            title());
        text +=
            "  node [shape=box style=\"filled,rounded\" fontname=\"Helvetica\" fontsize=10 margin=\"0.1,0.05\" "
            "penwidth=1.2]\n"
            "  edge [fontname=\"Helvetica\" fontsize=8 color=\"#5f6b7a\" fontcolor=\"#5f6b7a\" arrowsize=0.6]\n";
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n) add(static_cast<NodeId>(n));
        for (const ValueId id : graph_.results) add_result(id);
        text += cluster("", 1);
        for (const std::string& edge : edges_) text += "  " + edge + "\n";
        return text + "}\n";
    }

private:
    const std::string& path(ValueId id) const { return graph_.value(id).path; }

    const AlikeLayers* repeat_of(std::string_view of) const {
        for (const AlikeLayers& repeat : repeats_)
            if (repeat.index_of(of) >= 0) return &repeat;
        return nullptr;
    }
    /// Of layers that are alike the first is drawn.
    bool is_drawn(std::string_view of) const {
        const AlikeLayers* repeat = repeat_of(of);
        return repeat == nullptr || repeat->index_of(of) == repeat->first;
    }
    /// The value that is drawn for this one.
    ValueId drawn(ValueId id) const {
        const AlikeLayers* repeat = repeat_of(path(id));
        if (repeat == nullptr) return id;
        const std::string layer = repeat->layer(repeat->index_of(path(id)));
        return graph_.find(repeat->layer(repeat->first) + path(id).substr(layer.size()));
    }

    /// The module that a value stands in; a linear layer's only node needs no frame of its own.
    std::string module_around(const std::string& of) const {
        std::string module(modules_.of(of));
        if (!module.empty() && !modules_.has_parts(module)) module = modules_.of(parent(module));
        while (repeat_of(module + ".") != nullptr && repeat_of(of) == nullptr) module = modules_.of(parent(module));
        return module;
    }
    static std::string parent(const std::string& of) {
        const std::size_t dot = of.rfind('.');
        return dot == std::string::npos ? "" : of.substr(0, dot);
    }

    void put(const std::string& of, std::string statement) {
        const std::string module = module_around(of);
        inside_[module].push_back(std::move(statement));
        for (std::string at = module; !at.empty();) {
            const std::string outer(modules_.of(parent(at)));
            if (at == outer) break;
            children_[outer].insert(at);
            at = outer;
        }
    }

    std::string id_of(ValueId id) const {
        const NodeId producer = graph_.value(id).producer;
        return producer >= 0 ? fmt::format("n{}", producer) : fmt::format("v{}", id);
    }

    std::string short_path(const std::string& of) const {
        const std::string module = module_around(of);
        return module.empty() || of.size() <= module.size() ? of : of.substr(module.size() + 1);
    }

    void add(NodeId n) {
        const Node& node = graph_.node(n);
        const std::string& own = path(node.outputs[0]);
        if (!is_drawn(own)) return;
        std::string rows = fmt::format("<b>{}</b>", escaped(node.op->name));
        rows += fmt::format("<br/>{}", escaped(short_path(own)));
        const auto small = [&](const std::string& line) {
            rows += fmt::format("<br/><font point-size=\"8\" color=\"#37474f\">{}</font>", escaped(line));
        };
        std::string attributes;
        for (const auto& [field, value] : node.attributes.texts())
            attributes += fmt::format("{}{} = {}", attributes.empty() ? "" : ", ", field, value);
        if (!attributes.empty()) small(attributes);
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            if (node.inputs[i] == kAbsent) continue;
            const std::string_view name = input_def(*node.op, i).name;
            const ValueInfo& value = graph_.value(node.inputs[i]);
            if (value.kind == ValueKind::weight || value.kind == ValueKind::constant)
                small(fmt::format("{}: {}", name, to_string(value.type)));
            else if (is_named(node.inputs[i]))
                small(fmt::format("{}: {}", name, value.path));
            else
                connect(node, n, i);
        }
        if (subject_.program != nullptr) small(work(node));
        std::string tip = std::string(node.op->doc);
        if (!node.realizes.empty()) {
            tip += "\nstands for:";
            for (const std::string& each : node.realizes) tip += "\n  " + each;
        }
        if (!node.source.file.empty()) tip += fmt::format("\n{}:{}", node.source.file, node.source.line);
        put(own, fmt::format("n{} [label=<{}> fillcolor=\"{}\" color=\"{}\"{} tooltip=\"{}\"]", n, rows,
                             colour_of(works_.of(static_cast<NodeId>(n))), frame_of(device_of(subject_, node)),
                             node.op->is_view ? " style=\"rounded,dashed\"" : "", escaped(tip)));
    }

    bool is_named(ValueId id) const {
        const ValueId shown = drawn(id);
        return readers_.at(shown) > kMostEdges;
    }

    std::string work(const Node& node) const {
        const Cost cost = cost_of(subject_, node);
        std::string text = device_of(subject_, node);
        const auto place = place_of(subject_, node.outputs[0]);
        if (place) text += (text.empty() ? "" : " · ") + std::string(name(place->region));
        if (place && place->region == Region::arena) text += fmt::format(" {}+{}", place->offset, place->bytes);
        if (!node.op->is_view) text += " · " + human(cost.bytes, "B");
        if (cost.flops > 0) text += " · " + human(cost.flops, "FLOP");
        return text;
    }

    void connect(const Node& node, NodeId n, std::size_t i) {
        const ValueId from = drawn(node.inputs[i]);
        const ValueInfo& value = graph_.value(from);
        if (value.kind != ValueKind::result && leaves_.insert(from).second) add_leaf(from);
        edges_.push_back(fmt::format("{} -> n{} [label=\" {}\" tooltip=\"{}\"]", id_of(from), n,
                                     escaped(to_string(value.type)), escaped(value.path)));
        const AlikeLayers* repeat = repeat_of(path(node.outputs[0]));
        if (repeat == nullptr) return;
        for (const auto& [carried, initial] : repeat->carried) {
            if (path(node.inputs[i]) != initial) continue;
            const ValueId back = graph_.find(fmt::format("{}.{}", repeat->layer(repeat->first), carried));
            if (back >= 0 && graph_.value(back).producer >= 0)
                edges_.push_back(
                    fmt::format("n{} -> n{} [label=\" next layer\" style=dashed constraint=false color=\"#8e44ad\" "
                                "fontcolor=\"#8e44ad\" tooltip=\"{}\"]",
                                graph_.value(back).producer, n, escaped(path(back))));
        }
    }

    void add_leaf(ValueId id) {
        const ValueInfo& value = graph_.value(id);
        put(value.path,
            fmt::format("v{} [label=<<b>{}</b><br/>{}<br/><font point-size=\"8\">{}</font>> shape={} style=filled "
                        "fillcolor=\"{}\" color=\"#5f6b7a\" tooltip=\"{}\"]",
                        id, name(value.kind), escaped(short_path(value.path)), escaped(to_string(value.type)),
                        value.kind == ValueKind::state ? "cylinder" : "ellipse", colour_of(value.kind),
                        escaped(fmt::format("{}, {}", value.path, human(bytes_of(subject_, id), "B")))));
    }

    void add_result(ValueId id) {
        inside_[""].push_back(
            fmt::format("r{} [label=<<b>result</b><br/>{}> shape=ellipse style=filled "
                        "fillcolor=\"{}\" color=\"#5f6b7a\" tooltip=\"\"]",
                        id, escaped(path(id)), colour_of(ValueKind::input)));
        edges_.push_back(
            fmt::format("{} -> r{} [label=\" {}\"]", id_of(drawn(id)), id, escaped(to_string(graph_.value(id).type))));
    }

    /// What stands in a module: its nodes, and the titles of modules in it. A title is a node above all of them,
    /// because edges go round nodes, but through a cluster's label.
    std::vector<std::string> heads_of(const std::string& module) const {
        std::vector<std::string> heads;
        if (const auto at = inside_.find(module); at != inside_.end())
            for (const std::string& statement : at->second) heads.push_back(statement.substr(0, statement.find(' ')));
        if (const auto at = children_.find(module); at != children_.end())
            for (const std::string& child : at->second) heads.push_back(fmt::format("\"title {}\"", escaped(child)));
        return heads;
    }

    std::string cluster(const std::string& module, int depth) const {
        const std::string indent(static_cast<std::size_t>(2 * depth), ' ');
        std::string text;
        if (const auto at = inside_.find(module); at != inside_.end())
            for (const std::string& statement : at->second) text += indent + statement + "\n";
        const auto below = children_.find(module);
        if (below == children_.end()) return text;
        for (const std::string& child : below->second) {
            const auto info = std::find_if(graph_.modules.begin(), graph_.modules.end(),
                                           [&](const Module& each) { return each.path == child; });
            const AlikeLayers* repeat = repeat_of(child + ".");
            const std::string shown = repeat != nullptr && repeat->layer(repeat->first) == child
                                          ? fmt::format("{}: {} ×", repeat->name(), repeat->count())
                                          : child;
            text += fmt::format(
                "{0}subgraph \"cluster_{1}\" {{\n{0}  label=\"\" style=\"filled,rounded\" color=\"#b0bec5\" "
                "fillcolor=\"{2}\" "
                "tooltip=\"{3}\"\n{0}  \"title {1}\" [label=<<b>{4}</b> {5}> shape=plaintext style=\"\" margin=0 "
                "height=0.2 tooltip=\"\"]\n",
                indent, escaped(child), depth % 2 == 0 ? "#ffffff" : "#f6f8fa", escaped(info->detail), escaped(shown),
                escaped(info->type));
            for (const std::string& below_title : heads_of(child))
                text +=
                    fmt::format("{}  \"title {}\" -> {} [style=invis weight=0]\n", indent, escaped(child), below_title);
            text += cluster(child, depth + 1) + indent + "}\n";
        }
        return text;
    }

    std::string title() const {
        std::string text = fmt::format("<b>{}</b>", escaped(graph_.name));
        if (!subject_.phase.empty()) text += fmt::format(" {}, {}", escaped(subject_.phase), escaped(subject_.stage));
        text += "<br/>";
        static constexpr std::string_view kMeanings[] = {"reads weights", "reads or writes the cache", "computes",
                                                         "moves"};
        for (std::size_t w = 0; w < std::size(kMeanings); ++w)
            text += fmt::format(" <font point-size=\"8\"><font color=\"{}\">■</font> {} </font>",
                                colour_of(static_cast<Work>(w)), kMeanings[w]);
        return text + "<font point-size=\"8\"> dashed: a view, nothing runs</font><br/> ";
    }

    const Subject& subject_;
    const Graph& graph_;
    Modules modules_;
    Works works_;
    std::vector<AlikeLayers> repeats_;
    std::map<ValueId, std::size_t> readers_;                  // by the value that is drawn
    std::map<std::string, std::vector<std::string>> inside_;  // statements, by module
    std::map<std::string, std::set<std::string>> children_;   // modules that are drawn, by the one around them
    std::vector<std::string> edges_;
    std::set<ValueId> leaves_;
};

}  // namespace

std::string_view colour_of(Work work) {
    static constexpr std::array<std::string_view, kWorks> kColours = {"#9ec5fe", "#ffc98b", "#c3e6b5",
                                                                      "#cfd8dc", "#ffffff", "#d9c8f0"};
    return kColours[static_cast<std::size_t>(work)];
}

std::string_view colour_of(ValueKind kind) {
    static constexpr std::string_view kColours[] = {"#e8f0fe", "#f1f3f5", "#fde2e4", "#f1f3f5", "#ffffff"};
    return kColours[static_cast<std::size_t>(kind)];
}

std::string dot_of(const Subject& subject, bool unfold) { return Drawing(subject, unfold).draw(); }

}  // namespace vitro
