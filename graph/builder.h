// Writes graphs. Model code calls one function an op (ops/<op>/<op>.h): `Value y = rms_norm(b, x, weight, {eps});`
#pragma once

#include "graph/graph.h"

#include <initializer_list>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

struct At;

class Builder {
public:
    explicit Builder(std::string name);
    /// Goes on with a graph that has values and no nodes yet.
    explicit Builder(Graph graph) : graph_(std::move(graph)) {}

    /// Declares a symbol and the largest value it takes (>= 1).
    void symbol(char name, std::int64_t bound);

    Value input(std::string path, TensorType type);
    /// Named below the current scope: in scope "model.norm", weight("weight", …) is "model.norm.weight".
    Value weight(std::string_view name, TensorType type);
    Value state(std::string_view name, TensorType type);
    /// Small data that stands in the graph. f32 and i32 only.
    Value constant(float value) { return constant(std::span(&value, 1)); }
    Value constant(std::span<const float> values);
    Value constant(std::span<const std::int32_t> values);

    /// Appends a node; its output is called `name`, or as the op when that is empty, below the current scope; several
    /// outputs by that and their index. A default Value stands for an optional input that is not given; those at the
    /// end may be left out. Error with op, path, types and line when the op refuses the types.
    std::vector<Value> apply(const OpDef& op, std::span<const Value> inputs, Attributes attributes,
                             std::string_view name, SourceLine source);

    /// This builder, for an op whose node gets a name of its own: `add(b.named("residual"), x, y)`.
    At named(std::string name, std::source_location where = std::source_location::current());

    /// A module of the model for as long as the object lives; values made meanwhile are named below it.
    class Scope {
    public:
        Scope(Builder& builder, std::size_t outer) : builder_(builder), outer_(outer) {}
        ~Scope() { builder_.scope_.resize(outer_); }
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;

    private:
        Builder& builder_;
        std::size_t outer_;
    };
    /// `auto mlp = b.scope("mlp", "Phi3MLP");` An empty type opens a path that is no module of its own ("layers").
    Scope scope(std::string_view name, std::string_view type = {}, std::string_view detail = {});
    /// The current scope's path and a name: "model.layers.0" + "mlp".
    std::string path(std::string_view name) const;

    void result(Value value);
    void update(Value state, Value next);

    const TensorType& type(Value value) const { return graph_.value(value.id).type; }

    /// The finished graph, verified.
    Graph finish();
    /// The graph as far as it is written.
    Graph& graph() { return graph_; }

private:
    Value add(ValueInfo info);

    Graph graph_;
    std::string scope_;
};

/// A builder, the line of the call in the model's source, and a name for the node: what op functions take. Made by
/// itself from a Builder, or by Builder::named.
struct At {
    Builder& builder;
    SourceLine source;
    std::string name;

    At(Builder& b, std::source_location where = std::source_location::current())  // NOLINT: implicit by design
        : builder(b), source{std::string(file_in_project(where.file_name())), static_cast<int>(where.line())} {}

    At named(std::string node_name) const {
        At copy = *this;
        copy.name = std::move(node_name);
        return copy;
    }

    /// Appends a node with one output, or with several.
    Value apply(const OpDef& op, std::initializer_list<Value> inputs, Attributes attributes = {}) const {
        return apply_all(op, std::span(inputs.begin(), inputs.size()), std::move(attributes)).front();
    }
    std::vector<Value> apply_all(const OpDef& op, std::span<const Value> inputs, Attributes attributes = {}) const {
        return builder.apply(op, inputs, std::move(attributes), name, source);
    }

    static std::string_view file_in_project(std::string_view file);
};

inline At Builder::named(std::string name, std::source_location where) {
    return At(*this, where).named(std::move(name));
}

}  // namespace vitro
