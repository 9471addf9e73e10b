// Graphs made of parts of other graphs.
#pragma once

#include "graph/graph.h"

#include <utility>
#include <vector>

namespace vitro {

/// An empty graph with a graph's name and modules.
inline Graph like(const Graph& graph) {
    Graph out;
    out.name = graph.name;
    out.modules = graph.modules;
    return out;
}

/// Adds copies of a graph's nodes and leaves to another graph.
class Copier {
public:
    Copier(const Graph& from, Graph& to) : from_(from), to_(to), copied_(from.values.size(), -1) {}

    /// The copy of a value, or -1.
    ValueId& operator[](ValueId id) { return at(id); }
    void leaf(ValueId id) { at(id) = to_.add_value(from_.value(id)); }
    /// The inputs are copied already.
    void node(const Node& node) {
        Node copy = node;
        for (ValueId& id : present(copy.inputs)) id = at(id);
        for (ValueId& id : copy.outputs) {
            ValueInfo info = from_.value(id);
            info.producer = static_cast<NodeId>(to_.nodes.size());
            id = at(id) = to_.add_value(std::move(info));
        }
        to_.nodes.push_back(std::move(copy));
    }

private:
    ValueId& at(ValueId id) { return copied_[static_cast<std::size_t>(id)]; }

    const Graph& from_;
    Graph& to_;
    std::vector<ValueId> copied_;  // by ValueId
};

}  // namespace vitro
