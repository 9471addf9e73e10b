#include "graph/dump/explain.h"

#include "base/json_text.h"
#include "graph/dump/repeat.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <set>
#include <tuple>

namespace vitro {
namespace {

using Json = nlohmann::ordered_json;

/// `text` with the numbers of layers of `layers` as seen from layer `index`: its own is "N", the one before "N-1".
std::string relative(std::string_view text, std::string_view layers, std::int64_t index) {
    std::string out;
    const std::string prefix = std::string(layers) + ".";
    while (true) {
        const std::size_t at = text.find(prefix);
        if (at == std::string_view::npos) return out.append(text);
        out.append(text.substr(0, at + prefix.size()));
        text.remove_prefix(at + prefix.size());
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{}) continue;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        out += number == index ? "N" : fmt::format("N{:+}", number - index);
    }
}

/// "0-31", "0, 2-5, 7"
std::string ranges(const std::vector<std::int64_t>& numbers) {
    std::string out;
    for (std::size_t i = 0; i < numbers.size();) {
        std::size_t end = i + 1;
        while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
        if (!out.empty()) out += ", ";
        out += end - i == 1 ? fmt::format("{}", numbers[i]) : fmt::format("{}-{}", numbers[i], numbers[end - 1]);
        i = end;
    }
    return out;
}

/// One line of the report: what happened to the value `path`, and `rest`, which may speak of other paths.
struct Line {
    std::string_view pass, what;
    std::string path, rest;
};

/// Lines that are equal but for the number of their layer become one, where the first of them stands.
std::string folded(const std::vector<Line>& lines, bool unfold) {
    struct Group {
        const Line* first;
        std::string layers;
        std::vector<std::int64_t> indices;
    };
    std::vector<Group> groups;
    std::map<std::tuple<std::string_view, std::string_view, std::string, std::string>, std::size_t> known;
    for (const Line& line : lines) {
        const LayerOfPath layer = layer_of(line.path);
        if (unfold || layer.index < 0) {
            groups.push_back({&line, {}, {}});
            continue;
        }
        const auto [at, is_new] =
            known.try_emplace({line.pass, line.what, relative(line.path, layer.layers, layer.index),
                               relative(line.rest, layer.layers, layer.index)},
                              groups.size());
        if (is_new) groups.push_back({&line, std::string(layer.layers), {}});
        groups[at->second].indices.push_back(layer.index);
    }
    std::string out;
    for (Group& group : groups) {
        std::string path = group.first->path, rest = group.first->rest;
        if (group.indices.size() > 1) {
            std::sort(group.indices.begin(), group.indices.end());
            const std::int64_t index = layer_of(path).index;
            rest = relative(rest, group.layers, index);
            const std::string own = fmt::format("{}.{}", group.layers, index);
            path = fmt::format("{}.{}{}", group.layers, ranges(group.indices), path.substr(own.size()));
        }
        out += fmt::format("{:<28} {:<8} {}{}\n", group.first->pass, group.first->what, path, rest);
    }
    return out;
}

/// Of one pass: how often it fired, and how often it was refused for each reason, layers and paths aside.
struct Summary {
    std::string_view pass;
    std::size_t fired = 0;
    std::map<std::string, std::size_t> refused;  // by reason
};

std::vector<Summary> summaries(const PipelineReport& report, const Journal& journal) {
    std::vector<Summary> all;
    for (const PassRecord& pass : report.passes) {
        Summary summary{pass.name, 0, {}};
        for (const Finding& finding : journal.findings) {
            if (finding.pass != pass.name) continue;
            const LayerOfPath layer = layer_of(finding.path);
            if (finding.fired)
                ++summary.fired;
            else
                ++summary
                      .refused[layer.index < 0 ? finding.reason : relative(finding.reason, layer.layers, layer.index)];
        }
        all.push_back(std::move(summary));
    }
    return all;
}

std::string summary_text(const PipelineReport& report, const Journal& journal) {
    std::string out = fmt::format("{:<28} {:>6} {:>8}  why it was refused\n", "pass", "fired", "refused");
    for (const Summary& summary : summaries(report, journal)) {
        std::size_t refused = 0;
        std::string reasons;
        for (const auto& [reason, times] : summary.refused) {
            refused += times;
            reasons += fmt::format("{}{}{}", reasons.empty() ? "" : "; ", reason,
                                   times > 1 ? fmt::format(" ({} times)", times) : "");
        }
        out += fmt::format("{:<28} {:>6} {:>8}{}{}\n", summary.pass, summary.fired, refused,
                           reasons.empty() ? "" : "  ", reasons);
    }
    return out;
}

}  // namespace

std::string explain_text(const PipelineReport& report, const Journal& journal, bool unfold) {
    std::vector<Line> findings, fates;
    for (const Finding& finding : journal.findings)
        findings.push_back({finding.pass, finding.fired ? "fired" : "refused", finding.path, ": " + finding.reason});
    for (const auto& [path, fate] : journal.fates)
        fates.push_back({fate.pass, name(fate.kind), path, fate.into.empty() ? "" : " in " + fate.into});
    std::string out = summary_text(report, journal);
    if (!findings.empty()) out += "\ncandidates\n" + folded(findings, unfold);
    if (!fates.empty())
        out += "\nvalues that the program does not compute under their own name\n" + folded(fates, unfold);
    return out;
}

std::string explain_json(const PipelineReport& report, const Journal& journal) {
    Json out{{"summary", Json::array()}, {"findings", Json::array()}, {"fates", Json::array()}};
    for (const Summary& summary : summaries(report, journal)) {
        Json refused = Json::array();
        for (const auto& [reason, times] : summary.refused) refused.push_back({{"reason", reason}, {"times", times}});
        out["summary"].push_back({{"pass", summary.pass}, {"fired", summary.fired}, {"refused", refused}});
    }
    for (const Finding& finding : journal.findings)
        out["findings"].push_back(
            {{"pass", finding.pass}, {"path", finding.path}, {"fired", finding.fired}, {"reason", finding.reason}});
    for (const auto& [path, fate] : journal.fates)
        out["fates"].push_back({{"path", path}, {"kind", name(fate.kind)}, {"into", fate.into}, {"pass", fate.pass}});
    return json_text(out, 2) + "\n";
}

std::string receipt_json(const PipelineReport& report, std::string_view graph, std::string_view phase) {
    Json out{{"graph", graph}, {"phase", phase}, {"fired", Json::array()}};
    for (const Finding& finding : report.journal.findings)
        if (finding.fired) out["fired"].push_back({{"pass", finding.pass}, {"path", finding.path}});
    return json_text(out, 1) + "\n";
}

std::vector<std::string> missing_from(const PipelineReport& report, std::string_view receipt, const std::string& file,
                                      std::string_view graph, std::string_view phase) {
    const Json json = Json::parse(receipt, nullptr, false);
    const auto text = [&](const Json& object, const char* key) -> std::string {
        const auto found = object.is_object() ? object.find(key) : object.end();
        if (!object.is_object() || found == object.end() || !found->is_string())
            fail("{}: expected a receipt, as --receipt writes it, with a text \"{}\"", file, key);
        return found->get<std::string>();
    };
    if (json.is_discarded() || !json.is_object() || !json.contains("fired") || !json["fired"].is_array())
        fail("{}: expected a receipt, as --receipt writes it: an object with a list \"fired\"", file);
    if (text(json, "graph") != graph || text(json, "phase") != phase)
        fail("{}: expected a receipt of {}, {}, found one of {}, {}", file, graph, phase, text(json, "graph"),
             text(json, "phase"));

    std::set<std::pair<std::string, std::string>> fired;
    std::map<std::pair<std::string, std::string>, std::string> refused;
    std::set<std::string_view> ran;
    for (const PassRecord& pass : report.passes) ran.insert(pass.name);
    for (const Finding& finding : report.journal.findings) {
        if (finding.fired)
            fired.emplace(finding.pass, finding.path);
        else
            refused[{std::string(finding.pass), finding.path}] = finding.reason;
    }
    std::vector<std::string> missing;
    for (const Json& entry : json["fired"]) {
        const std::pair key{text(entry, "pass"), text(entry, "path")};
        if (fired.contains(key)) continue;
        const auto reason = refused.find(key);
        missing.push_back(fmt::format("{} did not fire at {}: {}", key.first, key.second,
                                      !ran.contains(key.first)  ? "the pass did not run"
                                      : reason != refused.end() ? reason->second
                                                                : "it found no candidate there"));
    }
    return missing;
}

}  // namespace vitro
