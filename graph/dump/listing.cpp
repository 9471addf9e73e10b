#include "graph/dump/listing.h"

#include "graph/dump/repeat.h"
#include "graph/text.h"

#include <algorithm>
#include <optional>

namespace vitro {
namespace {

constexpr std::size_t kWidest = 120;  // columns of lists that may be broken

/// What is said together: a layer, layers that are alike, or what stands between those.
struct Segment {
    std::optional<AlikeLayers> repeat;
    std::string heading;  // of a layer
    std::vector<const Module*> modules;
    std::vector<ValueId> before;  // leaves of the whole model that a repeat is the first to read
    std::vector<ValueId> leaves;
    std::vector<NodeId> nodes;  // of a repeat: of the layer that is shown
    std::vector<const StateUpdate*> updates;

    /// The layer whose names are shown: not the first, which may read something else than a layer before.
    std::int64_t shown() const { return repeat ? repeat->first + 1 : -1; }
};

/// One row of the table.
struct Row {
    std::string path, type, meaning;
    std::string tail;  // where it comes from, on a line of its own when it is a list
    std::string comment;
};

class Lister {
public:
    explicit Lister(const Subject& subject) : subject_(subject), graph_(subject.graph) {}

    std::string list(bool unfold) {
        divide(unfold);
        sort_leaves();
        sort_modules();
        const auto later_updates = sort_updates();
        std::string text = head();
        for (const Segment& segment : segments_) text += text_of(segment);
        text += "\n";
        for (const ValueId id : graph_.results) text += fmt::format("return %{}\n", graph_.value(id).path);
        for (const StateUpdate* update : later_updates) text += text_of(*update, nullptr);
        return text;
    }

private:
    const std::string& path(ValueId id) const { return graph_.value(id).path; }
    const std::string& path_of_node(std::size_t n) const { return path(graph_.nodes[n].outputs[0]); }

    /// How many nodes each layer of the repeat has, if they stand together, layer by layer, from node `begin` on.
    std::optional<std::size_t> nodes_a_layer(const AlikeLayers& repeat, std::size_t begin) const {
        std::size_t end = begin;
        while (end < graph_.nodes.size() && repeat.index_of(path_of_node(end)) >= 0) ++end;
        const auto layers = static_cast<std::size_t>(repeat.count());
        if ((end - begin) % layers != 0) return {};
        const std::size_t size = (end - begin) / layers;
        for (std::size_t n = begin; n < end; ++n)
            if (repeat.index_of(path_of_node(n)) != repeat.first + static_cast<std::int64_t>((n - begin) / size))
                return {};
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n)
            if ((n < begin || n >= end) && repeat.index_of(path_of_node(n)) >= 0) return {};
        return size;
    }

    /// Nodes to segments, in order.
    void divide(bool unfold) {
        const std::vector<AlikeLayers> repeats = unfold ? std::vector<AlikeLayers>{} : find_repeats(graph_);
        segments_.emplace_back();
        segment_of_node_.resize(graph_.nodes.size());
        for (std::size_t n = 0; n < graph_.nodes.size();) {
            const auto begins = [&](const AlikeLayers& r) { return r.index_of(path_of_node(n)) >= 0; };
            const auto repeat = std::find_if(repeats.begin(), repeats.end(), begins);
            const auto size = repeat == repeats.end() ? std::nullopt : nodes_a_layer(*repeat, n);
            if (size) {
                segments_.push_back({.repeat = *repeat});
                const std::size_t all = *size * static_cast<std::size_t>(repeat->count());
                for (std::size_t i = 0; i < all; ++i, ++n) {
                    segment_of_node_[n] = segments_.size() - 1;
                    if (i / *size == 1) segments_.back().nodes.push_back(static_cast<NodeId>(n));
                }
                continue;
            }
            const LayerOfPath at = layer_of(path_of_node(n));
            const std::string heading = at.index < 0 ? "" : fmt::format("{}.{}", at.layers, at.index);
            if (segments_.back().repeat || segments_.back().heading != heading)
                segments_.push_back({.heading = heading});
            segment_of_node_[n] = segments_.size() - 1;
            segments_.back().nodes.push_back(static_cast<NodeId>(n++));
        }
        if (segments_.back().repeat || !segments_.back().heading.empty()) segments_.emplace_back();
    }

    Segment* repeat_with(std::string_view path) {
        for (Segment& segment : segments_)
            if (segment.repeat && segment.repeat->index_of(path) >= 0) return &segment;
        return nullptr;
    }

    /// Inputs to the beginning, other leaves to where they are read first.
    void sort_leaves() {
        std::vector<std::size_t> first(graph_.values.size(), 0);
        for (std::size_t n = graph_.nodes.size(); n-- > 0;)
            for (const ValueId id : present(graph_.nodes[n].inputs))
                first[static_cast<std::size_t>(id)] = segment_of_node_[n];
        for (std::size_t i = 0; i < graph_.values.size(); ++i) {
            const ValueInfo& value = graph_.values[i];
            const auto id = static_cast<ValueId>(i);
            if (value.kind == ValueKind::result) continue;
            if (Segment* segment = repeat_with(value.path)) {
                if (segment->repeat->index_of(value.path) == segment->shown()) segment->leaves.push_back(id);
                continue;
            }
            Segment& segment = segments_[value.kind == ValueKind::input ? 0 : first[i]];
            (segment.repeat ? segment.before : segment.leaves).push_back(id);
        }
    }

    void sort_modules() {
        std::size_t at = 0;
        for (const Module& module : graph_.modules) {
            const std::string inside = module.path + ".";
            if (Segment* segment = repeat_with(inside)) {
                at = static_cast<std::size_t>(segment - segments_.data());
                if (segment->repeat->index_of(inside) == segment->shown()) segment->modules.push_back(&module);
                continue;
            }
            const LayerOfPath layer = layer_of(inside);
            const std::string heading = layer.index < 0 ? "" : fmt::format("{}.{}", layer.layers, layer.index);
            while (at + 1 < segments_.size() && (segments_[at].repeat || segments_[at].heading != heading)) ++at;
            segments_[at].modules.push_back(&module);
        }
    }

    /// Those that come after everything are returned.
    std::vector<const StateUpdate*> sort_updates() {
        std::vector<const StateUpdate*> later;
        for (const StateUpdate& update : graph_.updates) {
            if (Segment* segment = repeat_with(path(update.state))) {
                if (segment->repeat->index_of(path(update.state)) == segment->shown())
                    segment->updates.push_back(&update);
                continue;
            }
            later.push_back(&update);
        }
        return later;
    }

    std::string head() const {
        std::string text = fmt::format("graph {}", attribute_text(graph_.name));
        if (!subject_.stage.empty())
            text += fmt::format("  # {}, {}: {} nodes", subject_.phase, subject_.stage, graph_.nodes.size());
        if (subject_.program != nullptr) {
            for (const auto& [region, bytes] : regions_of(subject_))
                text += fmt::format(", {} {}", region, human(static_cast<std::int64_t>(bytes), "B"));
        }
        text += "\n";
        for (const auto& [symbol, bound] : subject_.bounds) text += fmt::format("symbol {} <= {}\n", symbol, bound);
        return text;
    }

    std::string called(const Segment* segment, const std::string& path) const {
        return segment == nullptr || !segment->repeat ? path : segment->repeat->relative(path, segment->shown());
    }

    std::string text_of(const StateUpdate& update, const Segment* segment) const {
        return fmt::format("update %{} = %{}\n", called(segment, path(update.state)),
                           called(segment, path(update.next)));
    }

    std::string text_of(const Segment& segment) const {
        std::string text;
        if (!segment.before.empty()) text += "\n" + table(rows(segment.before, nullptr), "");
        std::string indent;
        if (segment.repeat) {
            const AlikeLayers& repeat = *segment.repeat;
            indent = "  ";
            text += fmt::format("\nrepeat {}: {} ×\n", repeat.name(), repeat.count());
            for (const auto& [value, initial] : repeat.carried)
                text += fmt::format("  first %previous.{} = %{}\n", value, initial);
        } else if (!segment.heading.empty()) {
            text += fmt::format("\n# {}\n", segment.heading);
        } else if (!segment.modules.empty() || !segment.leaves.empty() || !segment.nodes.empty()) {
            text += "\n";
        }
        for (const Module* module : segment.modules)
            text += fmt::format("{}module {} {} {}\n", indent, attribute_text(called(&segment, module->path)),
                                attribute_text(module->type), attribute_text(module->detail));
        std::vector<Row> all = rows(segment.leaves, &segment);
        for (const NodeId id : segment.nodes) append_rows(graph_.node(id), segment, all);
        text += table(all, indent);
        for (const StateUpdate* update : segment.updates) text += indent + text_of(*update, &segment);
        if (segment.repeat) text += "end\n";
        return text;
    }

    std::vector<Row> rows(const std::vector<ValueId>& leaves, const Segment* segment) const {
        std::vector<Row> out;
        for (const ValueId id : leaves) {
            const ValueInfo& value = graph_.value(id);
            Row row{called(segment, value.path), to_string(value.type), std::string(name(value.kind))};
            if (!value.device.empty()) row.meaning += " @" + value.device;
            if (value.kind == ValueKind::weight && value.source != value.path)
                row.meaning += " from " + called(segment, value.source);
            if (value.prepared) row.meaning += " prepared";
            if (value.kind == ValueKind::constant) row.meaning += " " + constant_text(value);
            if (subject_.program != nullptr && value.kind != ValueKind::constant)
                row.comment = human(bytes_of(subject_, id), "B");
            out.push_back(std::move(row));
        }
        return out;
    }

    void append_rows(const Node& node, const Segment& segment, std::vector<Row>& out) const {
        const auto use = [&](ValueId id) { return "%" + called(&segment, path(id)); };
        for (const ValueId id : node.outputs) {
            Row row{called(&segment, path(id)), to_string(graph_.value(id).type)};
            if (id != node.outputs.back()) {
                row.type += ",";
                row.comment = place_text(id, segment);
                out.push_back(std::move(row));
                continue;
            }
            row.meaning = fmt::format("{}({})", node.op->name, inputs_text(node, use));
            std::string attributes;
            for (const auto& [field, value] : node.attributes.texts())
                attributes += fmt::format("{}{} = {}", attributes.empty() ? "" : ", ", field, value);
            if (!attributes.empty()) row.meaning += " {" + attributes + "}";
            if (!node.device.empty()) row.meaning += " @" + node.device;
            if (!node.source.file.empty()) row.tail = fmt::format("@{}:{}", node.source.file, node.source.line);
            if (!node.realizes.empty())
                row.tail += (row.tail.empty() ? "<= " : " <= ") + names(node.realizes, &segment);
            row.comment = comment(node, segment);
            out.push_back(std::move(row));
        }
    }

    /// Names with commas, over several lines when they are many.
    std::string names(const std::vector<std::string>& paths, const Segment* segment) const {
        std::string out, line;
        for (const std::string& each : paths) {
            const std::string name = called(segment, each);
            if (!line.empty()) line += ",";
            if (line.size() + name.size() + 12 > kWidest) {
                out += line + "\n";
                line.clear();
            }
            line += (line.empty() ? "" : " ") + name;
        }
        return out + line;
    }

    std::string comment(const Node& node, const Segment& segment) const {
        if (subject_.program == nullptr) return {};
        const Cost cost = cost_of(subject_, node);
        std::string text = device_of(subject_, node);
        const std::string place = place_text(node.outputs.back(), segment);
        if (!place.empty()) text += (text.empty() ? "" : ", ") + place;
        if (!node.op->is_view) text += fmt::format(", moves {}", human(cost.bytes, "B"));
        if (cost.flops > 0) text += fmt::format(", {}", human(cost.flops, "FLOP"));
        return text;
    }

    /// The places of a value, in all layers that the segment stands for.
    std::string place_text(ValueId id, const Segment& segment) const {
        std::vector<std::string> all;
        const auto add = [&](ValueId each) {
            if (each < 0) return;
            const auto place = place_of(subject_, each);
            if (!place) return;
            // In regions where everything has a place of its own, offsets tell nothing.
            std::string text =
                place->region == Region::arena ? vitro::text_of(subject_, *place) : region_of(subject_, *place);
            if (std::find(all.begin(), all.end(), text) == all.end()) all.push_back(std::move(text));
        };
        if (!segment.repeat) {
            add(id);
        } else {
            const std::string rest = path(id).substr(segment.repeat->layer(segment.shown()).size());
            for (std::int64_t i = segment.repeat->first; i <= segment.repeat->last; ++i)
                add(graph_.find(segment.repeat->layer(i) + rest));
        }
        if (all.size() > 2) return all.front() + " or others";
        return all.empty() ? "" : all.size() == 1 ? all[0] : all[0] + " or " + all[1];
    }

    static std::string table(const std::vector<Row>& rows, const std::string& indent) {
        std::size_t path_width = 0, type_width = 0;
        for (const Row& row : rows) {
            path_width = std::max(path_width, row.path.size());
            type_width = std::max(type_width, row.type.size());
        }
        std::string text;
        for (const Row& row : rows) {
            std::string line = fmt::format("{}%{:<{}} : {:<{}}", indent, row.path, path_width, row.type, type_width);
            if (!row.meaning.empty()) line += " = " + row.meaning;
            while (line.back() == ' ') line.pop_back();
            std::string tail;
            for (const char c : row.tail) tail += c == '\n' ? "\n" + indent + "      " : std::string(1, c);
            const std::string comment = row.comment.empty() ? "" : "  # " + row.comment;
            if (tail.find("<=") != std::string::npos) {
                text += line + "\n" + indent + "    " + tail + comment + "\n";
            } else {
                text += line + (tail.empty() ? "" : tail[0] == '@' ? "  " : " ") + tail + comment + "\n";
            }
        }
        return text;
    }

    const Subject& subject_;
    const Graph& graph_;
    std::vector<Segment> segments_;
    std::vector<std::size_t> segment_of_node_;
};

}  // namespace

std::string listing(const Subject& subject, bool unfold) { return Lister(subject).list(unfold); }

}  // namespace vitro
