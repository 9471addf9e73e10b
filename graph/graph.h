// The IR: a static graph of SSA values. Nodes are in topological order; a value is named by its path.
#pragma once

#include "graph/op_def.h"
#include "graph/path_index.h"

#include <map>
#include <optional>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

using ValueId = std::int32_t;
using NodeId = std::int32_t;

/// In Node::inputs: an optional input that is not given.
inline constexpr ValueId kAbsent = -1;

/// A handle to a value of a graph; a default one stands for an optional input that is not given.
struct Value {
    ValueId id = kAbsent;
    bool operator==(const Value&) const = default;

    bool is_given() const { return id != kAbsent; }
};

enum class ValueKind {
    input,     // data of the step: tokens, positions …
    weight,    // read-only: a tensor of the checkpoint, or a result of the load program
    state,     // a cache: memory whose content is kept from step to step
    constant,  // small; its data is part of the graph
    result,    // an output of a node
};

struct ValueInfo {
    ValueKind kind = ValueKind::result;
    TensorType type;
    std::string path;             // unique in the graph: "model.layers.3.self_attn.qkv_proj"
    NodeId producer = -1;         // for a result: the node that computes it
    std::vector<std::byte> data;  // for a constant: its elements
    std::string source{};         // for a weight: the name of the checkpoint tensor, or of the load program's result
    bool prepared = false;        // for a weight: whether the load program makes it (graph/split_load.h)
    std::string device{};         // for all but results: the device it is on; empty if there is only one device
};

/// Where in the model's source code a node was written; file is relative to the project.
struct SourceLine {
    std::string file;
    int line = 0;
    bool operator==(const SourceLine&) const = default;
};

struct Node {
    const OpDef* op = nullptr;
    Attributes attributes;
    /// One for each of OpDef::inputs, in their order, kAbsent for those not given; `present(inputs)` are those given.
    std::vector<ValueId> inputs;
    std::vector<ValueId> outputs;
    SourceLine source;
    /// Paths of the source graph's values that a fused node stands for; empty means its own outputs.
    std::vector<std::string> realizes;
    /// The device that it runs on and its outputs are on; before devices are assigned, empty or the device to assign.
    std::string device{};
};

/// A named module of the model, as PyTorch prints it: path "model.layers.0.mlp", type "Phi3MLP",
/// detail "in_features=64, …" (may be empty).
struct Module {
    std::string path;
    std::string type;
    std::string detail;
    bool operator==(const Module&) const = default;
};

/// The next value of a state after this step.
struct StateUpdate {
    ValueId state;
    ValueId next;
};

class Graph {
public:
    std::string name;
    std::map<char, std::int64_t> bounds;  // every symbol that is used, with its largest value
    std::vector<ValueInfo> values;        // by ValueId
    std::vector<Node> nodes;              // by NodeId, in topological order
    std::vector<ValueId> results;
    std::vector<StateUpdate> updates;
    std::vector<Module> modules;  // in the order of definition

    const ValueInfo& value(ValueId id) const { return values[checked(id)]; }
    ValueInfo& value(ValueId id) { return values[checked(id)]; }
    const Node& node(NodeId id) const { return nodes[static_cast<std::size_t>(id)]; }

    /// Adds a value; its path gets a suffix (".1") if it is taken.
    ValueId add_value(ValueInfo info);
    /// Gives a value another path; a value that has it already gets a suffix, as in add_value.
    void rename(ValueId id, std::string path);
    /// The value with this path, or -1.
    ValueId find(std::string_view path) const;
    /// Keeps only these values, each listed once: the i-th becomes value i. Returns for each old value its new id, or
    /// -1 if it is removed; the caller must change the ids in nodes, results and updates.
    std::vector<ValueId> keep(std::span<const ValueId> kept);
    std::vector<ValueId> values_of(ValueKind kind) const;
    SymbolValues bound_values() const;
    /// Number of uses of each value: by nodes, results and updates.
    std::vector<int> use_counts() const;

private:
    std::size_t checked(ValueId id) const {
        VITRO_CHECK(id >= 0 && static_cast<std::size_t>(id) < values.size(), "value {} of {}", id, values.size());
        return static_cast<std::size_t>(id);
    }
    /// Registers the path for the value; adds a suffix (".1") to it if it is taken.
    void take_path(std::string& path, ValueId id);

    PathIndex by_path_;
};

/// The ids of `ids` that are not kAbsent: `for (const ValueId id : present(node.inputs))`.
template <class Ids>
auto present(Ids& ids) {
    return ids | std::views::filter([](ValueId id) { return id != kAbsent; });
}

/// The device that a value is on, as the graph says; empty when it says none.
const std::string& device_of(const Graph& graph, ValueId id);

/// Types of the values, in order; TensorType::none() for kAbsent.
std::vector<TensorType> types_of(const Graph& graph, const std::vector<ValueId>& ids);

/// "rms_norm at model.norm (models/phi3.cpp:40)", for errors.
std::string describe(const Graph& graph, const Node& node);

}  // namespace vitro
