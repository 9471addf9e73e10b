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

/// A piece of what a layer says: the number of a text or a size, which must be the same in all layers, or the number of
/// the value that a node reads. What stands in a piece follows from those before it.
struct Token {
    std::int64_t number = 0;
    bool is_input = false;
    bool operator==(const Token&) const = default;
};

/// One layer, as far as other layers must be like it.
struct Layer {
    std::vector<Token> tokens;  // modules, leaves, updates, then nodes in order
    std::vector<int> members;
    bool is_whole = true;  // false: something of it is defined outside, or the other way round
};

/// A path in pieces. Each is read once: a graph of thousands of layers names its values many times.
struct Path {
    int layers = -1;          // the number of "model.layers"; -1: it is in no layer
    std::int64_t index = -1;  // 3
    int rest = -1;            // the number of ".mlp.gated"

    bool in_layer() const { return layers >= 0; }
    bool in_same_layer(const Path& other) const { return layers == other.layers && index == other.index; }
};

class LayerReader {
public:
    LayerReader(const Graph& graph, Texts& texts) : graph_(graph), texts_(texts) {
        paths_.reserve(graph.values.size());
        for (const ValueInfo& value : graph.values) paths_.push_back(path_of(value.path));
    }

    /// By the path of the layers, then by number.
    std::map<std::string, std::map<std::int64_t, Layer>, std::less<>> read() {
        for (const Module& module : graph_.modules) {
            const std::string whole = module.path + ".";  // a layer's own module path ends with its number
            const Path path = path_of(whole);
            if (!path.in_layer()) continue;
            Layer& to = layer(path);
            to.members.push_back(path.rest);
            for (const int number : {kModule, path.rest, texts_.number(module.type), texts_.number(module.detail)})
                to.tokens.push_back({number});
        }
        for (std::size_t i = 0; i < graph_.values.size(); ++i) read_leaf(static_cast<ValueId>(i));
        for (const StateUpdate& update : graph_.updates) {
            const Path& state = path(update.state);
            if (!state.in_layer()) continue;
            Layer& to = layer(state);
            for (const int number : {kUpdate, state.rest, relative(state, update.next)}) to.tokens.push_back({number});
        }
        for (const Node& node : graph_.nodes) read_node(node);
        return std::move(layers_);
    }

private:
    static constexpr int kModule = 0, kLeaf = 1, kUpdate = 2, kNode = 3;  // the first token of each

    const Path& path(ValueId id) const { return paths_[static_cast<std::size_t>(id)]; }

    Path path_of(std::string_view whole) {
        const LayerOfPath at = layer_of(whole);
        if (at.index < 0) return {};
        if (layers_number_ < 0 || texts_[layers_number_] != at.layers) layers_number_ = texts_.number(at.layers);
        std::size_t begin = at.layers.size() + 2;
        for (std::int64_t left = at.index; left >= 10; left /= 10) ++begin;
        return {layers_number_, at.index, texts_.number(whole.substr(begin))};
    }

    /// The number of a path as the layer of `at` says it.
    int relative(const Path& at, const Path& path, std::string_view whole) {
        if (path.layers != at.layers) return texts_.number(whole);
        if (path.index == at.index) return path.rest;
        if (path.index != at.index - 1) return texts_.number(whole);
        const auto [known, is_new] = previous_.try_emplace(path.rest);
        if (is_new) known->second = texts_.number(std::string(kPrevious) + texts_[path.rest].substr(1));
        return known->second;
    }
    int relative(const Path& at, ValueId id) { return relative(at, path(id), graph_.value(id).path); }

    Layer& layer(const Path& at) {
        if (last_layer_ == nullptr || !at.in_same_layer(last_)) {
            last_ = at;
            last_layer_ = &layers_[texts_[at.layers]][at.index];
        }
        return *last_layer_;
    }

    static void add_type(Layer& to, const TensorType& type) {
        to.tokens.push_back({static_cast<int>(type.dtype)});
        to.tokens.push_back({type.rank()});
        for (const Dim dim : type.shape) {
            to.tokens.push_back({dim.symbol});
            to.tokens.push_back({dim.size});
        }
    }

    void read_leaf(ValueId id) {
        const ValueInfo& value = graph_.value(id);
        const Path& at = path(id);
        if (!at.in_layer() || value.kind == ValueKind::result) return;
        Layer& to = layer(at);
        to.members.push_back(at.rest);
        const std::string_view data(reinterpret_cast<const char*>(value.data.data()), value.data.size());
        const int source = relative(at, path_of(value.source), value.source);
        for (const int number : {kLeaf, static_cast<int>(value.kind), at.rest, source, int{value.prepared},
                                 texts_.number(value.device), texts_.number(data)})
            to.tokens.push_back({number});
        add_type(to, value.type);
    }

    void read_node(const Node& node) {
        const Path& at = path(node.outputs[0]);
        for (const ValueId id : node.outputs) {
            const Path& other = path(id);
            if (other.in_same_layer(at)) continue;
            for (const Path* broken : {&at, &other})
                if (broken->in_layer()) layer(*broken).is_whole = false;
        }
        // A weight or constant of a layer that others read must be seen to be that layer's.
        for (const ValueId id : present(node.inputs)) {
            const Path& other = path(id);
            if (graph_.value(id).kind != ValueKind::result && other.in_layer() && !other.in_same_layer(at))
                layer(other).is_whole = false;
        }
        if (!at.in_layer()) return;
        Layer& to = layer(at);
        for (const int number : {kNode, texts_.number(node.op->name), attributes_number(node, at.rest),
                                 texts_.number(node.device), texts_.number(node.source.file), node.source.line,
                                 static_cast<int>(node.realizes.size()), static_cast<int>(node.outputs.size())})
            to.tokens.push_back({number});
        for (const std::string& realized : node.realizes)
            to.tokens.push_back({relative(at, path_of(realized), realized)});
        for (const ValueId id : node.outputs) {
            const int number = relative(at, id);
            to.members.push_back(number);
            to.tokens.push_back({number});
            add_type(to, graph_.value(id).type);
        }
        for (std::size_t i = 0; i < node.inputs.size(); ++i)
            if (node.inputs[i] == kAbsent)
                to.tokens.push_back({-1});
            else
                to.tokens.push_back({relative(at, node.inputs[i]), true});
    }

    /// The number of the attributes' text, which is made anew only where the node of the same name in the layer before
    /// has others.
    int attributes_number(const Node& node, int rest) {
        auto& [before, number] = attributes_[rest];
        if (before != nullptr && before->op == node.op && before->attributes == node.attributes) return number;
        std::string text;
        for (const auto& [name, value] : node.attributes.texts()) text += fmt::format(" {} = {}", name, value);
        before = &node;
        return number = texts_.number(text);
    }

    const Graph& graph_;
    Texts& texts_;
    std::vector<Path> paths_;  // by ValueId
    std::map<std::string, std::map<std::int64_t, Layer>, std::less<>> layers_;
    std::unordered_map<int, int> previous_;                            // the number of "previous.x" by that of ".x"
    std::unordered_map<int, std::pair<const Node*, int>> attributes_;  // by the number of its name in the layer
    Path last_;  // of the layer that was asked for last, mostly asked for again
    Layer* last_layer_ = nullptr;
    int layers_number_ = -1;  // likewise
};

/// Whether `tokens` are those of `layer`, and then perhaps more nodes.
bool begins_with(const std::vector<Token>& tokens, const std::vector<Token>& layer) {
    return tokens.size() > layer.size() && std::equal(layer.begin(), layer.end(), tokens.begin()) &&
           !tokens[layer.size()].is_input;
}

/// What carries over from layer to layer, if `first` and `second` are alike but for that.
std::optional<std::map<std::string, std::string>> carried(const AlikeLayers& repeat, const Texts& texts,
                                                          const Layer& first, const Layer& second) {
    if (first.tokens.size() != second.tokens.size()) return {};
    std::map<std::string, std::string> out;
    const auto text = [&](const Token& token) -> const std::string& { return texts[static_cast<int>(token.number)]; };
    for (std::size_t i = 0; i < first.tokens.size(); ++i) {
        const Token a = first.tokens[i], b = second.tokens[i];
        if (a.is_input && b.is_input && text(b).starts_with(kPrevious)) {
            std::string path = text(a);
            if (path.starts_with(kPrevious))
                path = repeat.layer(repeat.first - 1) + "." + path.substr(kPrevious.size());
            if (path.starts_with('.')) return {};  // the layer's own
            const auto [at, is_new] = out.emplace(text(b).substr(kPrevious.size()), path);
            if (!is_new && at->second != path) return {};
        } else if (a != b) {
            return {};
        }
    }
    return out;
}

}  // namespace

std::string AlikeLayers::layer(std::int64_t index) const { return fmt::format("{}.{}", layers, index); }
std::string AlikeLayers::name() const { return fmt::format("{}.{}-{}", layers, first, last); }

std::int64_t AlikeLayers::index_of(std::string_view path) const {
    const LayerOfPath at = layer_of(path);
    if (at.index < first || at.index > last || at.layers != layers) return -1;
    return members.contains(path.substr(layer(at.index).size())) ? at.index : -1;
}

std::string AlikeLayers::relative(std::string_view path, std::int64_t index) const {
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

std::vector<AlikeLayers> find_repeats(const Graph& graph) {
    std::vector<AlikeLayers> out;
    Texts texts;
    for (const auto& [path, layers] : LayerReader(graph, texts).read()) {
        for (auto at = layers.begin(); at != layers.end();) {
            AlikeLayers repeat{path, at->first, at->first, {}, {}};
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
