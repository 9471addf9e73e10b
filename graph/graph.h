// The IR: a static graph of SSA values. Nodes stand in topological order; a value is named by its path.
#pragma once

#include "graph/op_def.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vitro {

using ValueId = std::int32_t;
using NodeId = std::int32_t;

/// A handle to a value of a graph.
struct Value {
    ValueId id = -1;
    bool operator==(const Value&) const = default;
};

enum class ValueKind {
    input,     // data of the step: tokens, positions …
    weight,    // read-only, named as in the checkpoint
    state,     // a cache: memory that lives from step to step
    constant,  // small, its data stands in the graph
    result,    // an output of a node
};

/// How the elements of a weight come from the checkpoint's.
enum class WeightForm : std::uint8_t {
    stored,      // as they are
    fp8_rows,    // each row divided by its scale, rounded to f8e4m3
    fp8_scales,  // of fp8_rows: the largest magnitude of each row / 448; 1 for a row of zeros
};
/// "fp8_rows", as the text form has it.
std::string_view name(WeightForm form);
std::optional<WeightForm> weight_form_named(std::string_view name);

struct ValueInfo {
    ValueKind kind = ValueKind::result;
    TensorType type;
    std::string path;             // unique in the graph: "model.layers.3.self_attn.qkv_proj"
    NodeId producer = -1;         // of a result
    std::vector<std::byte> data;  // of a constant: the elements
    std::vector<std::string>
        sources;  // of a weight: the checkpoint tensors it is made of, one below the other (axis 0)
    WeightForm form = WeightForm::stored;  // of a weight
    std::string device{};                  // of all but results: where it lives; empty where there is only one device
};

/// Where in the model's source code a node was written; file is relative to the project.
struct SourcePlace {
    std::string file;
    int line = 0;
    bool operator==(const SourcePlace&) const = default;
};

struct Node {
    const OpDef* op = nullptr;
    Attributes attributes;
    std::vector<ValueId> inputs;
    std::vector<ValueId> outputs;
    SourcePlace place;
    /// Paths of the source graph's values that a fused node stands for; empty means its own outputs.
    std::vector<std::string> realizes;
    /// The device it runs on, and its outputs live on; before placement, if it is named, the one it is to run on.
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
    std::map<char, std::int64_t> bounds;  // every symbol used, with the largest value it takes
    std::vector<ValueInfo> values;        // by ValueId
    std::vector<Node> nodes;              // by NodeId, in topological order
    std::vector<ValueId> results;
    std::vector<StateUpdate> updates;
    std::vector<Module> modules;  // in the order of definition

    const ValueInfo& value(ValueId id) const { return values[static_cast<std::size_t>(id)]; }
    ValueInfo& value(ValueId id) { return values[static_cast<std::size_t>(id)]; }
    const Node& node(NodeId id) const { return nodes[static_cast<std::size_t>(id)]; }

    /// Adds a value; its path gets a suffix (".1") if it is taken.
    ValueId add_value(ValueInfo info);
    /// Gives a value another path; a value that has it already gets a suffix, as in add_value.
    void rename(ValueId id, std::string path);
    /// The value with this path, or -1.
    ValueId find(std::string_view path) const;
    std::vector<ValueId> values_of(ValueKind kind) const;
    SymbolValues bound_values() const;
    /// Number of uses of each value: by nodes, results and updates.
    std::vector<int> use_counts() const;

private:
    std::unordered_map<std::string, ValueId> by_path_;
};

/// The device that a value lives on, as written into the graph; empty when none is.
const std::string& device_of(const Graph& graph, ValueId id);

/// Types of the values, in order.
std::vector<TensorType> types_of(const Graph& graph, const std::vector<ValueId>& ids);

/// "rms_norm at model.norm (models/phi3.cpp:40)", for errors.
std::string describe(const Graph& graph, const Node& node);

}  // namespace vitro
