#include "base/json_text.h"
#include "graph/dump/repeat.h"
#include "graph/dump/side_by_side.h"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

std::string error_text(double nmse) { return nmse == 0 ? "0" : fmt::format("{:.2e}", nmse); }

/// All but the number of its step, which is another one in every layer.
std::string meaning(const SideValue& value, bool with_inputs) {
    std::string out;
    if (!value.is_there) {
        out = value.fate.empty() ? "not there" : "not there: " + value.fate;
    } else {
        out = fmt::format("{} : {} {}, {}", value.op, value.dtype, value.shape, human(value.bytes, "B"));
        if (with_inputs && !value.inputs.empty()) out += fmt::format(", of {}", fmt::join(value.inputs, ", "));
        if (value.at_load) out += ", once, at load";
        if (value.is_reference) out += ", by its reference";
        if (!value.device.empty() && value.device != "cpu") out += " on " + value.device;
    }
    return out;
}

/// Rows of layers in a row that say the same.
struct Told {
    const SideRow* row = nullptr;  // of the first layer
    LayerOfPath layer;
    std::int64_t last = -1;  // layer
    std::vector<std::string> meanings;
    std::vector<std::pair<std::int64_t, std::int64_t>> steps;  // the first and the last layer's, by side
    std::vector<double> nmse;                                  // the largest, by side; below 0 where there is none
};

/// With the layer's own paths in short: "layers.3.mlp" of layer 3 is "~.mlp", of layer 4 "~-1.mlp".
std::string within_layer(std::string text, const LayerOfPath& layer) {
    for (const std::int64_t before : {0, 1}) {
        const std::string from = fmt::format("{}.{}.", layer.layers, layer.index - before),
                          to = before == 0 ? "~." : "~-1.";
        for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
            text.replace(at, from.size(), to);
    }
    return text;
}

Told told_of(const SideRow& row, bool unfold) {
    Told out{.row = &row, .layer = unfold ? LayerOfPath{} : layer_of(row.path)};
    out.last = out.layer.index;
    for (const SideValue& value : row.sides) {
        const std::string text = meaning(value, std::ranges::count(row.differs, Aspect::inputs) > 0);
        out.meanings.push_back(out.layer.index < 0 ? text : within_layer(text, out.layer));
        out.steps.emplace_back(value.step, value.step);
        out.nmse.push_back(value.error ? value.error->nmse : -1);
    }
    return out;
}

/// Whether `next` says of the layer behind what `before` says; then it is taken into that one.
bool take_in(Told& before, const Told& next) {
    const auto rest = [](const Told& told) {
        return std::string_view(told.row->path)
            .substr(told.layer.layers.size() + 1 + std::to_string(told.layer.index).size());
    };
    if (next.layer.index < 0 || before.layer.index < 0 || next.layer.index != before.last + 1 ||
        next.layer.layers != before.layer.layers || rest(next) != rest(before) || next.meanings != before.meanings ||
        next.row->differs != before.row->differs)
        return false;
    before.last = next.layer.index;
    for (std::size_t i = 0; i < before.steps.size(); ++i) {
        before.steps[i].second = next.steps[i].second;
        if (!(next.nmse[i] <= before.nmse[i])) before.nmse[i] = next.nmse[i];
    }
    return true;
}

std::string text_of(const SideBySide& all, const Told& told) {
    std::string path = told.row->path;
    if (told.last != told.layer.index)
        path = fmt::format("{}.{}-{}{}", told.layer.layers, told.layer.index, told.last,
                           path.substr(told.layer.layers.size() + 1 + std::to_string(told.layer.index).size()));
    std::vector<std::string_view> aspects;
    for (const Aspect aspect : told.row->differs) aspects.push_back(name(aspect));
    std::string out = fmt::format("\n{}: {}\n", path, fmt::join(aspects, ", "));
    for (std::size_t i = 0; i < all.sides.size(); ++i) {
        out += fmt::format("  {}  {}", all.sides[i].name, told.meanings[i]);
        const auto [first, last] = told.steps[i];
        if (first > 0)
            out += first == last ? fmt::format(", step {}", first) : fmt::format(", steps {} to {}", first, last);
        if (!(told.nmse[i] < 0)) out += fmt::format(", nmse {}", error_text(told.nmse[i]));
        out += "\n";
    }
    return out;
}

std::string totals_text(const SideBySide& all) {
    std::string out;
    for (std::size_t i = 0; i < all.sides.size(); ++i) {
        const SideTotals& sums = all.totals[i];
        out += fmt::format("{}: {}\n   {}, {}: {} ops, {} steps, {} and {} a step", all.sides[i].name,
                           all.sides[i].title, all.sides[i].story->phase, all.sides[i].stage, sums.ops, sums.steps,
                           human(sums.bytes, "B"), human(sums.flops, "FLOP"));
        for (const auto& [region, bytes] : sums.regions)
            out += fmt::format(", {} {}", region, human(static_cast<std::int64_t>(bytes), "B"));
        out += "\n";
        if (!all.sides[i].parting.empty())
            out += fmt::format("   parts from {} first at {}\n", all.sides[0].name, all.sides[i].parting);
    }
    return out;
}

Json json_of(const SideValue& value) {
    Json out{{"there", value.is_there}};
    if (value.is_there) {
        out.update({{"op", value.op},
                    {"inputs", value.inputs},
                    {"dtype", value.dtype},
                    {"shape", value.shape},
                    {"bytes", value.bytes}});
        if (!value.realizes.empty()) out["realizes"] = value.realizes;
        if (value.step > 0)
            out.update({{"step", value.step}, {"device", value.device}, {"reference", value.is_reference}});
        if (value.at_load) out["at_load"] = true;
    } else if (!value.fate.empty()) {
        out["fate"] = value.fate;
    }
    if (value.error)
        out["error"] = {{"nmse", json_number<Json>(value.error->nmse)},
                        {"largest", json_number<Json>(value.error->largest)},
                        {"where", value.error->where},
                        {"parts", value.error->parts}};
    return out;
}

}  // namespace

std::string text_of(const SideBySide& all, bool unfold) {
    std::string out = totals_text(all);
    std::vector<Told> told;
    std::size_t same = 0;
    for (const SideRow& row : all.rows) {
        if (row.differs.empty()) {
            ++same;
            continue;
        }
        Told next = told_of(row, unfold);
        const bool is_taken =
            std::any_of(told.begin(), told.end(), [&](Told& before) { return take_in(before, next); });
        if (!is_taken) told.push_back(std::move(next));
    }
    out += fmt::format("{} paths, of which {} differ\n", all.rows.size(), all.rows.size() - same);
    for (const Told& each : told) out += text_of(all, each);
    return out;
}

std::string json_of(const SideBySide& all) {
    Json out{{"format", "vitro graph comparison"}, {"version", 1}, {"sides", Json::array()}, {"values", Json::array()}};
    for (std::size_t i = 0; i < all.sides.size(); ++i) {
        const SideTotals& sums = all.totals[i];
        Json regions = Json::object();
        for (const auto& [region, bytes] : sums.regions) regions[region] = bytes;
        out["sides"].push_back({{"name", all.sides[i].name},
                                {"title", all.sides[i].title},
                                {"phase", all.sides[i].story->phase},
                                {"stage", all.sides[i].stage},
                                {"ops", sums.ops},
                                {"steps", sums.steps},
                                {"bytes", sums.bytes},
                                {"flops", sums.flops},
                                {"regions", regions},
                                {"parting", all.sides[i].parting}});
    }
    for (const SideRow& row : all.rows) {
        Json differs = Json::array(), sides = Json::array();
        for (const Aspect aspect : row.differs) differs.push_back(name(aspect));
        for (const SideValue& value : row.sides) sides.push_back(json_of(value));
        out["values"].push_back({{"path", row.path}, {"differs", differs}, {"sides", sides}});
    }
    return json_text(out) + "\n";
}

}  // namespace vitro
