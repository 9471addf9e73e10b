#include "graph/dump/diff.h"

#include "graph/dump/repeat.h"
#include "graph/dump/subject.h"
#include "graph/text.h"

#include <map>

namespace vitro {
namespace {

/// What a value is in a graph: its type, and what computes it.
std::string meaning(const Graph& graph, ValueId id) {
    const ValueInfo& value = graph.value(id);
    if (value.kind != ValueKind::result) {
        std::string text = fmt::format("{} {}", name(value.kind), to_string(value.type));
        if (value.kind == ValueKind::weight) text += " " + value.source;
        return text;
    }
    const Node& node = graph.node(value.producer);
    std::string text = fmt::format("{} = {}(", to_string(value.type), node.op->name);
    text += inputs_text(node, [&](ValueId input) { return graph.value(input).path; }) + ")";
    const auto attributes = node.attributes.texts();
    for (std::size_t i = 0; i < attributes.size(); ++i)
        text += fmt::format("{}{} = {}{}", i == 0 ? " {" : ", ", attributes[i].first, attributes[i].second,
                            i + 1 == attributes.size() ? "}" : "");
    return text;
}

/// The end of the word that begins at `begin`.
std::size_t word_end(const std::string& text, std::size_t begin) {
    return std::min(text.find_first_of(" (),\n", begin), text.size());
}

/// `text` with the layer's paths in short: ".mlp" for its own, "previous.mlp" for those of the layer before.
std::string within_layer(const std::string& text, const LayerOfPath& layer) {
    std::string out;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = word_end(text, begin);
        const std::string_view word = std::string_view(text).substr(begin, end - begin);
        const LayerOfPath at = layer_of(word);
        const std::size_t own = at.layers.size() + 1 + std::to_string(at.index).size();
        if (at.index >= 0 && at.layers == layer.layers && at.index == layer.index) {
            out += word.substr(own);
        } else if (at.index >= 0 && at.layers == layer.layers && at.index == layer.index - 1) {
            out += "previous";
            out += word.substr(own);
        } else {
            out += word;
        }
        if (end < text.size()) out += text[end];
        begin = end + 1;
    }
    return out;
}

/// Whether a layer says what the next one says, but reads something else where that reads of the layer before.
bool is_first_of(const std::string& layer, const std::string& next) {
    std::size_t a = 0, b = 0;
    while (a < layer.size() && b < next.size()) {
        const std::size_t a_end = word_end(layer, a), b_end = word_end(next, b);
        const std::string_view word = std::string_view(next).substr(b, b_end - b);
        if (word != std::string_view(layer).substr(a, a_end - a) && !word.starts_with("previous.")) return false;
        if (layer.substr(a_end, 1) != next.substr(b_end, 1)) return false;
        a = a_end + 1;
        b = b_end + 1;
    }
    return a >= layer.size() && b >= next.size();
}

std::string lines_of(char mark, const std::string& name, const GraphDiff::Change& change) {
    std::string out = fmt::format("{} {}", mark, name);
    if (mark == '~') return out + fmt::format("\n    - {}\n    + {}\n", change.before, change.after);
    out += " : " + (mark == '+' ? change.after : change.before) + "\n";
    if (!change.fate.empty()) out += "    " + change.fate + "\n";
    return out;
}

struct Section {
    std::string_view title;
    char mark;
    const std::vector<GraphDiff::Change>& changes;
};

std::string text_of(const Section& section, bool unfold) {
    if (section.changes.empty()) return {};
    std::string out = fmt::format("\n{} ({})\n", section.title, section.changes.size());
    // What each layer says, in short; layers in a row that say the same are one.
    std::map<std::string, std::map<std::int64_t, std::string>, std::less<>> layers;
    for (const GraphDiff::Change& change : section.changes) {
        const LayerOfPath at = layer_of(change.path);
        if (unfold || at.index < 0) {
            out += lines_of(section.mark, change.path, change);
            continue;
        }
        const auto shorten = [&](const std::string& text) { return within_layer(text, at); };
        layers[std::string(at.layers)][at.index] +=
            lines_of(section.mark, shorten(change.path),
                     {{}, shorten(change.before), shorten(change.after), shorten(change.fate)});
    }
    for (const auto& [path, said] : layers) {
        for (auto at = said.begin(); at != said.end();) {
            auto last = at, next = std::next(at);
            if (next != said.end() && next->first == at->first + 1 && is_first_of(at->second, next->second))
                last = next++;
            while (last != at && next != said.end() && next->first == last->first + 1 && next->second == last->second)
                last = next++;
            const std::int64_t count = last->first - at->first + 1;
            out += count == 1 ? fmt::format("{}.{}:\n", path, at->first)
                              : fmt::format("{}.{}-{}: {} ×\n", path, at->first, last->first, count);
            std::string_view text = last->second;
            while (!text.empty()) {
                const std::size_t end = text.find('\n') + 1;
                out += "  ";
                out += text.substr(0, end);
                text.remove_prefix(end);
            }
            at = next;
        }
    }
    return out;
}

}  // namespace

std::string fate_text(const Journal& journal, const std::string& path) {
    const auto at = journal.fates.find(path);
    if (at == journal.fates.end()) return {};
    const Fate& fate = at->second;
    if (fate.into.empty()) return fmt::format("{}, by {}", name(fate.kind), fate.pass);
    const bool becomes = fate.kind == Fate::Kind::merged;
    return fmt::format("{} {} {}, by {}", name(fate.kind), becomes ? "with" : "in", fate.into, fate.pass);
}

GraphDiff diff(const Graph& from, const Graph& to, const Journal& journal) {
    GraphDiff out;
    for (std::size_t i = 0; i < from.values.size(); ++i) {
        const std::string& path = from.values[i].path;
        const std::string before = meaning(from, static_cast<ValueId>(i));
        const ValueId other = to.find(path);
        if (other < 0) {
            out.vanished.push_back({path, before, {}, fate_text(journal, path)});
            continue;
        }
        const std::string after = meaning(to, other);
        if (before == after)
            ++out.same;
        else
            out.changed.push_back({path, before, after, {}});
    }
    for (std::size_t i = 0; i < to.values.size(); ++i)
        if (from.find(to.values[i].path) < 0)
            out.appeared.push_back({to.values[i].path, {}, meaning(to, static_cast<ValueId>(i)), {}});
    return out;
}

std::string text_of(const GraphDiff& diff, bool unfold) {
    const auto total = [](const std::vector<GraphDiff::Change>& changes) { return changes.size(); };
    std::string out = fmt::format("{} -> {}: {} values appeared, {} vanished, {} changed, {} are the same\n", diff.from,
                                  diff.to, total(diff.appeared), total(diff.vanished), total(diff.changed), diff.same);
    out += text_of(Section{"appeared", '+', diff.appeared}, unfold);
    out += text_of(Section{"vanished", '-', diff.vanished}, unfold);
    out += text_of(Section{"changed", '~', diff.changed}, unfold);
    return out;
}

}  // namespace vitro
