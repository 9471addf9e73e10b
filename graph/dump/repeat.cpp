#include "graph/dump/repeat.h"

#include "graph/text.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

namespace vitro {
namespace {

constexpr std::string_view kPrevious = "previous.";

/// Distinct texts, numbered.
class Texts {
public:
    int number(std::string_view text) {
        const auto known = numbers_.find(text);
        if (known != numbers_.end()) return known->second;
        const std::string& kept = texts_.emplace_back(text);
        return numbers_.emplace(kept, static_cast<int>(texts_.size()) - 1).first->second;
    }
    const std::string& operator[](int number) const { return texts_[static_cast<std::size_t>(number)]; }

private:
    std::deque<std::string> texts_;  // stay where they are
    std::unordered_map<std::string_view, int> numbers_;
};

/// A piece of what a layer says: a text that must be the same in all layers, or the value that a node reads.
struct Token {
    int text = 0;
    bool is_input = false;
    bool operator==(const Token&) const = default;
};

/// One layer, as far as other layers must be like it.
struct Layer {
    std::vector<Token> tokens;  // modules, leaves, updates, then nodes in order
    std::vector<int> members;
    bool is_whole = true;  // false: something of it is defined outside, or the other way round
};

class LayerReader {
public:
    LayerReader(const Graph& graph, Texts& texts) : graph_(graph), texts_(texts) {}

    /// By the path of the layers, then by number.
    std::map<std::string, std::map<std::int64_t, Layer>, std::less<>> read() {
        for (const Module& module : graph_.modules) {
            const std::string path = module.path + ".";  // a layer's own module path ends with its number
            const LayerOfPath at = layer_of(path);
            if (at.index >= 0)
                say(at, path, fmt::format("module {} {} {}", relative(at, path), module.type, module.detail));
        }
        for (const ValueInfo& value : graph_.values) {
            const LayerOfPath at = layer_of(value.path);
            if (at.index < 0 || value.kind == ValueKind::result) continue;
            std::string text =
                fmt::format("{} {} {}", static_cast<int>(value.kind), relative(at, value.path), to_string(value.type));
            if (value.kind == ValueKind::weight) text += " " + relative(at, value.source);
            text += fmt::format(" {} @{}", value.prepared, value.device);
            text.append(reinterpret_cast<const char*>(value.data.data()), value.data.size());
            say(at, value.path, text);
        }
        for (const StateUpdate& update : graph_.updates) {
            const std::string &state = graph_.value(update.state).path, &next = graph_.value(update.next).path;
            const LayerOfPath at = layer_of(state);
            if (at.index < 0) continue;
            say(at, state, "update " + relative(at, state) + " " + relative(at, next));
        }
        for (const Node& node : graph_.nodes) read(node);
        return std::move(layers_);
    }

private:
    static std::string relative(const LayerOfPath& at, std::string_view path) {
        const LayerOfPath other = layer_of(path);
        if (other.layers != at.layers) return std::string(path);
        const std::string_view rest = path.substr(layer_size(other));
        if (other.index == at.index) return std::string(rest);
        if (other.index == at.index - 1) return std::string(kPrevious) + std::string(rest.substr(1));
        return std::string(path);
    }
    static std::size_t layer_size(const LayerOfPath& at) {
        return at.layers.size() + 1 + std::to_string(at.index).size();
    }

    Layer& layer(const LayerOfPath& at) {
        if (at.index != last_.index || at.layers != last_.layers) {
            const auto [layers, is_new] = layers_.try_emplace(std::string(at.layers));
            last_ = {layers->first, at.index};
            last_layer_ = &layers->second[at.index];
        }
        return *last_layer_;
    }
    void say(const LayerOfPath& at, const std::string& path, std::string_view text) {
        Layer& to = layer(at);
        to.members.push_back(texts_.number(relative(at, path)));
        to.tokens.push_back({texts_.number(text)});
    }

    void read(const Node& node) {
        const LayerOfPath at = layer_of(graph_.value(node.outputs[0]).path);
        for (const ValueId id : node.outputs) {
            const LayerOfPath other = layer_of(graph_.value(id).path);
            if (other.layers == at.layers && other.index == at.index) continue;
            for (const LayerOfPath& broken : {at, other})
                if (broken.index >= 0) layer(broken).is_whole = false;
        }
        // A weight or constant of a layer that others read must be seen to be that layer's.
        for (const ValueId id : present(node.inputs)) {
            const ValueInfo& value = graph_.value(id);
            const LayerOfPath other = layer_of(value.path);
            if (value.kind == ValueKind::result || other.index < 0) continue;
            if (other.layers != at.layers || other.index != at.index) layer(other).is_whole = false;
        }
        if (at.index < 0) return;
        std::string text(node.op->name);
        for (std::size_t i = 0; i < node.inputs.size(); ++i)
            if (node.inputs[i] != kAbsent && input_def(*node.op, i).is_optional)
                text += fmt::format(" {}", input_def(*node.op, i).name);
        for (const auto& [name, value] : node.attributes.texts()) text += fmt::format(" {} = {}", name, value);
        for (const ValueId id : node.outputs)
            text += fmt::format(" {} {}", relative(at, graph_.value(id).path), to_string(graph_.value(id).type));
        text += fmt::format(" @{} @{}:{}", node.device, node.source.file, node.source.line);
        for (const std::string& path : node.realizes) text += " " + relative(at, path);
        for (const ValueId id : node.outputs) say(at, graph_.value(id).path, std::exchange(text, {}));
        for (const ValueId id : present(node.inputs))
            layer(at).tokens.push_back({texts_.number(relative(at, graph_.value(id).path)), true});
    }

    const Graph& graph_;
    Texts& texts_;
    std::map<std::string, std::map<std::int64_t, Layer>, std::less<>> layers_;
    LayerOfPath last_;  // the one that was asked for last, mostly asked for again
    Layer* last_layer_ = nullptr;
};

/// Whether `tokens` are those of `layer`, and then perhaps more nodes.
bool begins_with(const std::vector<Token>& tokens, const std::vector<Token>& layer) {
    return tokens.size() > layer.size() && std::equal(layer.begin(), layer.end(), tokens.begin()) &&
           !tokens[layer.size()].is_input;
}

/// What carries over from layer to layer, if `first` and `second` are alike but for that.
std::optional<std::map<std::string, std::string>> carried(const Repeat& repeat, const Texts& texts, const Layer& first,
                                                          const Layer& second) {
    if (first.tokens.size() != second.tokens.size()) return {};
    std::map<std::string, std::string> out;
    for (std::size_t i = 0; i < first.tokens.size(); ++i) {
        const Token a = first.tokens[i], b = second.tokens[i];
        if (a.is_input && b.is_input && texts[b.text].starts_with(kPrevious)) {
            std::string path = texts[a.text];
            if (path.starts_with(kPrevious))
                path = repeat.layer(repeat.first - 1) + "." + path.substr(kPrevious.size());
            if (path.starts_with('.')) return {};  // the layer's own
            const auto [at, is_new] = out.emplace(texts[b.text].substr(kPrevious.size()), path);
            if (!is_new && at->second != path) return {};
        } else if (a != b) {
            return {};
        }
    }
    return out;
}

}  // namespace

std::string Repeat::layer(std::int64_t index) const { return fmt::format("{}.{}", layers, index); }
std::string Repeat::name() const { return fmt::format("{}.{}-{}", layers, first, last); }

std::int64_t Repeat::index_of(std::string_view path) const {
    const LayerOfPath at = layer_of(path);
    if (at.index < first || at.index > last || at.layers != layers) return -1;
    return members.contains(path.substr(layer(at.index).size())) ? at.index : -1;
}

std::string Repeat::relative(std::string_view path, std::int64_t index) const {
    const std::string own = layer(index), before = layer(index - 1) + ".";
    if (path == own) return ".";
    if (path.starts_with(own + ".")) return std::string(path.substr(own.size()));
    if (path.starts_with(before)) return std::string(kPrevious) + std::string(path.substr(before.size()));
    return std::string(path);
}

LayerOfPath layer_of(std::string_view path) {
    for (std::size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.', dot + 1)) {
        std::int64_t index = -1;
        const char* begin = path.data() + dot + 1;
        const auto [end, error] = std::from_chars(begin, path.data() + path.size(), index);
        const bool is_number = error == std::errc{} && index >= 0 && (*begin != '0' || end == begin + 1);
        if (is_number && end != path.data() + path.size() && *end == '.') return {path.substr(0, dot), index};
    }
    return {};
}

std::vector<Repeat> find_repeats(const Graph& graph) {
    std::vector<Repeat> out;
    Texts texts;
    for (const auto& [path, layers] : LayerReader(graph, texts).read()) {
        for (auto at = layers.begin(); at != layers.end();) {
            Repeat repeat{path, at->first, at->first, {}, {}};
            const Layer& first = at->second;
            auto next = std::next(at);
            const auto follows = [&] {
                return next != layers.end() && next->first == repeat.last + 1 && at->second.is_whole &&
                       next->second.is_whole;
            };
            if (follows()) {
                if (auto values = carried(repeat, texts, first, next->second)) {
                    repeat.carried = std::move(*values);
                    const Layer& second = next->second;
                    do {
                        ++repeat.last;
                        ++next;
                    } while (follows() && next->second.tokens == second.tokens);
                    if (follows() && begins_with(next->second.tokens, second.tokens)) {
                        ++repeat.last;
                        ++next;
                    }
                }
            }
            if (repeat.count() > 1) {
                for (const int member : first.members) repeat.members.insert(texts[member]);
                out.push_back(std::move(repeat));
            }
            at = next;
        }
    }
    return out;
}

}  // namespace vitro
