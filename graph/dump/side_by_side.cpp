#include "graph/dump/side_by_side.h"

#include "graph/dump/diff.h"
#include "graph/text.h"

#include <algorithm>
#include <array>
#include <list>
#include <unordered_map>

namespace vitro {
namespace {

/// What one side has, by path, in its order.
struct Column {
    std::vector<std::string> paths;
    std::unordered_map<std::string, SideValue> values;
    SideTotals totals;
};

/// By the path of each output: the number of the program's step, its device, whether a reference runs.
void number_steps(const Story& story, Column& column) {
    const Program& program = story.program;
    for (std::size_t i = 0; i < program.steps.size(); ++i) {
        const Step& step = program.steps[i];
        for (const ValueId id : program.graph.node(step.node).outputs) {
            const auto at = column.values.find(program.graph.value(id).path);
            if (at == column.values.end()) continue;
            at->second.step = static_cast<std::int64_t>(i) + 1;
            at->second.device = program.plan.devices[step.device].name;
            at->second.is_reference = step.is_reference;
        }
    }
    column.totals.steps = program.steps.size();
}

std::string op_text(const Node& node) {
    std::string out(node.op->name);
    const auto attributes = node.attributes.texts();
    for (std::size_t i = 0; i < attributes.size(); ++i)
        out += fmt::format("{}{} = {}{}", i == 0 ? " {" : ", ", attributes[i].first, attributes[i].second,
                           i + 1 == attributes.size() ? "}" : "");
    return out;
}

Column column_of(const Side& side) {
    const Stage& stage = side.story->stage(side.stage);
    const Subject subject = side.story->subject(stage);
    const Graph& graph = stage.graph;
    const Works works(subject);
    Column out;
    const auto add = [&](ValueId id, SideValue value) {
        const ValueInfo& info = graph.value(id);
        value.is_there = true;
        value.dtype = name(info.type.dtype);
        value.shape = to_string(info.type.shape);
        if (out.values.emplace(info.path, std::move(value)).second) out.paths.push_back(info.path);
    };
    for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
        const Node& node = graph.nodes[n];
        const Cost cost = cost_of(subject, node);
        const std::int64_t bytes = node.op->is_view ? 0 : cost.bytes;
        SideValue value{.op = op_text(node),
                        .realizes = node.realizes,
                        .at_load = works.of(static_cast<NodeId>(n)) == Work::load,
                        .bytes = bytes};
        for (const ValueId id : present(node.inputs)) {
            value.inputs.push_back(graph.value(id).path);
            if (graph.value(id).kind != ValueKind::result)
                add(id, {.op = std::string(name(graph.value(id).kind)), .bytes = bytes_of(subject, id)});
        }
        for (const ValueId id : node.outputs) add(id, value);
        ++out.totals.ops;
        if (value.at_load) continue;
        out.totals.bytes += bytes;
        out.totals.flops += cost.flops;
    }
    if (subject.program != nullptr) {
        number_steps(*side.story, out);
        out.totals.regions = regions_of(subject);
    }
    return out;
}

/// All paths: what is new of each further side goes behind what stands before it there.
std::vector<std::string> merged(const std::vector<Column>& columns) {
    std::list<std::string> order;
    std::unordered_map<std::string, std::list<std::string>::iterator> at;
    for (const Column& column : columns) {
        auto next = order.begin();
        for (const std::string& path : column.paths) {
            if (const auto known = at.find(path); known != at.end()) {
                next = std::next(known->second);
            } else {
                const auto made = order.insert(next, path);
                at.emplace(path, made);
                next = std::next(made);
            }
        }
    }
    return {order.begin(), order.end()};
}

/// Paths that both sides have as steps, and that keep no common order: all but a longest rising sequence.
std::vector<std::string> moved(const Column& a, const Column& b) {
    std::vector<std::pair<std::int64_t, std::string>> steps;  // of a, by the order of b
    for (const auto& [path, value] : b.values) {
        const auto other = a.values.find(path);
        if (value.step > 0 && other != a.values.end() && other->second.step > 0) steps.emplace_back(value.step, path);
    }
    std::sort(steps.begin(), steps.end());
    std::vector<std::int64_t> order;
    for (const auto& [step, path] : steps) order.push_back(a.values.at(path).step);
    std::vector<std::size_t> tops, before(order.size());  // of rising sequences by their length; what goes before
    for (std::size_t i = 0; i < order.size(); ++i) {
        const auto at = std::upper_bound(tops.begin(), tops.end(), order[i],
                                         [&](std::int64_t step, std::size_t top) { return step < order[top]; });
        before[i] = at == tops.begin() ? i : *std::prev(at);
        at == tops.end() ? tops.push_back(i) : void(*at = i);
    }
    std::vector<bool> stays(order.size());
    if (!tops.empty()) {
        std::size_t i = tops.back();
        for (stays[i] = true; before[i] != i; stays[i] = true) i = before[i];
    }
    std::vector<std::string> out;
    for (std::size_t i = 0; i < order.size(); ++i)
        if (!stays[i]) out.push_back(steps[i].second);
    return out;
}

std::vector<Aspect> differences(const SideRow& row) {
    std::array<bool, kAspects> found{};
    const auto note = [&](Aspect aspect, bool differs) { found[static_cast<std::size_t>(aspect)] |= differs; };
    const auto first = std::find_if(row.sides.begin(), row.sides.end(), [](const SideValue& v) { return v.is_there; });
    for (const SideValue& value : row.sides) {
        note(Aspect::error, value.error && value.error->parts);
        note(Aspect::presence, value.is_there != row.sides.front().is_there);
        if (!value.is_there || first == row.sides.end()) continue;
        note(Aspect::op, value.op != first->op);
        note(Aspect::inputs, value.inputs != first->inputs);
        note(Aspect::dtype, value.dtype != first->dtype);
        note(Aspect::shape, value.shape != first->shape);
        note(Aspect::step, (value.step > 0) != (first->step > 0) || value.device != first->device ||
                               value.is_reference != first->is_reference || value.at_load != first->at_load);
        note(Aspect::bytes, value.bytes != first->bytes);
    }
    std::vector<Aspect> out;
    for (std::size_t i = 0; i < kAspects; ++i)
        if (found[i]) out.push_back(static_cast<Aspect>(i));
    return out;
}

}  // namespace

std::string_view name(Aspect aspect) {
    static constexpr std::string_view kNames[kAspects] = {"presence", "op",   "inputs", "dtype",
                                                          "shape",    "step", "bytes",  "error"};
    return kNames[static_cast<std::size_t>(aspect)];
}

SideBySide side_by_side(std::vector<Side> sides) {
    VITRO_CHECK(sides.size() >= 2, "{} sides", sides.size());
    std::vector<Column> columns;
    for (const Side& side : sides) columns.push_back(column_of(side));
    SideBySide out;
    std::unordered_map<std::string, std::size_t> at;
    for (std::string& path : merged(columns)) {
        SideRow row{.path = std::move(path)};
        for (std::size_t i = 0; i < sides.size(); ++i) {
            const auto known = columns[i].values.find(row.path);
            SideValue& value = row.sides.emplace_back();
            if (known != columns[i].values.end())
                value = known->second;
            else
                value.fate = fate_text(sides[i].story->report.journal, row.path);
            if (const auto error = sides[i].errors.find(row.path); error != sides[i].errors.end())
                value.error = error->second;
        }
        row.differs = differences(row);
        at.emplace(row.path, out.rows.size());
        out.rows.push_back(std::move(row));
    }
    for (std::size_t i = 1; i < sides.size(); ++i)
        for (const std::string& path : moved(columns[0], columns[i])) {
            std::vector<Aspect>& differs = out.rows[at.at(path)].differs;
            const auto place = std::lower_bound(differs.begin(), differs.end(), Aspect::step);
            if (place == differs.end() || *place != Aspect::step) differs.insert(place, Aspect::step);
        }
    for (Column& column : columns) out.totals.push_back(std::move(column.totals));
    out.sides = std::move(sides);
    return out;
}

}  // namespace vitro
