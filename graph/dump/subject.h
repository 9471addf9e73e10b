// What the dumps show: a graph at one moment of its compilation, with what is known of each value and node.
#pragma once

#include "graph/program.h"
#include "graph/rewrite.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace vitro {

struct Subject {
    const Graph& graph;
    Backend& backend;                  // ops are asked for costs with it
    const Program* program = nullptr;  // whose plan says where the values of `graph` are; null before there is one
    const Journal* journal = nullptr;  // what became of the source graph's values
    std::string phase;                 // "decode"
    std::string stage;                 // "build", a pass, "program"
    /// Of the symbols: the phase's, also where `graph` was written for another one.
    std::map<char, std::int64_t> bounds = graph.bounds;

    SymbolValues bound_values() const;
};

/// What a node has to do with memory, which is what its time depends on: how dumps colour it.
enum class Work : std::uint8_t {
    weights,   // reads a matrix of weights
    cache,     // reads or writes a state
    compute,   // reads and computes only values of this step
    movement,  // puts them elsewhere
    view,      // nothing runs
    load,      // depends on weights alone: runs once, when the model is loaded
};
inline constexpr std::size_t kWorks = 6;
std::string_view name(Work work);
std::string_view name(ValueKind kind);

/// What each node of a graph has to do with memory. The subject must outlive it.
class Works {
public:
    explicit Works(const Subject& subject);

    Work of(NodeId id) const;

private:
    const Subject& subject_;
    std::vector<bool> at_load_;   // by NodeId
    std::vector<bool> is_state_;  // by ValueId: a state, or one that was written to
};

/// Bytes at the symbols' bounds.
std::int64_t bytes_of(const Subject& subject, ValueId id);
/// Work at the symbols' bounds.
Cost cost_of(const Subject& subject, const Node& node);
/// Where the value is, if there is a plan and it has a place there.
std::optional<Place> place_of(const Subject& subject, ValueId id);
/// The device that runs the node; empty when that is not decided yet, "at load" when it is no step of the program.
std::string device_of(const Subject& subject, const Node& node);

/// What the op calls the node's inputs that are given, in their order.
std::vector<std::string_view> names_of_inputs(const Node& node);

/// "56.6 MB", "1.2 GFLOP": three digits and a power of 1000.
std::string human(std::int64_t number, std::string_view unit);
/// "arena 12288+36864": device where there are several, region, offset, bytes.
std::string text_of(const Subject& subject, const Place& place);
/// "arena", or "cuda arena" where there are several devices.
std::string region_of(const Subject& subject, const Place& place);
/// Bytes of every region of every device, by those names.
std::vector<std::pair<std::string, std::size_t>> regions_of(const Subject& subject);

/// The modules of a graph, by path.
class Modules {
public:
    explicit Modules(const Graph& graph);

    /// The module that a path belongs to: the longest one that is a beginning of it; empty when that is the model
    /// itself.
    std::string_view of(std::string_view path) const;
    /// Whether there are modules within this one.
    bool has_parts(std::string_view module) const { return with_parts_.contains(module); }

private:
    std::unordered_set<std::string_view> paths_, with_parts_;  // as they stand in the graph
};

/// Whether a path is `scope` or below it.
bool is_below(std::string_view path, std::string_view scope);

/// The whole path of a module or value that the user calls `scope`, which may be the end of it: "layers.0" is
/// "model.layers.0". Error when nothing, or more than one thing, is called so.
std::string whole_path(const Graph& graph, std::string_view scope);

/// The part of a graph within a module: its nodes; what they read from outside become inputs, what others read of them
/// becomes results. `scope` as whole_path takes it.
Graph scoped(const Graph& graph, std::string_view scope);

}  // namespace vitro
