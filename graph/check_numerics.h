// Proves pass by pass, on made-up inputs, that a graph keeps its meaning: what a pass changed is run by the ops'
// references and compared, value by value, with what the graph before gave.
#pragma once

#include "graph/interpret.h"
#include "graph/synthetic_step.h"

#include <map>
#include <optional>
#include <set>
#include <string>

namespace vitro {

class NumericsCheck {
public:
    /// Sizes of symbols as SyntheticStep takes them. `host` is a backend whose memory is the host's.
    NumericsCheck(Backend& host, SymbolValues symbols, std::uint64_t seed)
        : host_(host), wanted_(symbols), seed_(seed) {}

    /// Takes the graph as `stage` (a pass) left it; the first call takes the one to start from, and runs all of it.
    /// Later calls run only nodes that the graph before does not have, on the values that it gave; every value that
    /// both have must be near. Error naming stage and value when one is not, and when the values do not fit
    /// `kMostBytes`.
    void check(std::string_view stage, const Graph& graph);
    /// Takes a graph whose values are not those of the one before: an optional pass changed them.
    void restart(std::string_view stage, const Graph& graph);

    /// Nodes that were run and values that were compared, all calls together.
    std::size_t nodes_run() const { return nodes_run_; }
    std::size_t values_compared() const { return values_compared_; }
    const SymbolValues& symbols() const { return synthetic_->symbols(); }

    /// Weights, and what is computed from them alone, are made up one after the other, as nodes read them; all else is
    /// kept.
    static constexpr std::int64_t kMostBytes = std::int64_t{8} << 30;

private:
    struct Known {
        TensorType type;
        Elements elements;
    };
    /// The graph of the call before.
    struct Before {
        std::set<std::string> nodes;          // as text
        std::map<std::string, Known> values;  // what nodes compute, by path
        std::vector<std::string> results;     // paths
        std::map<std::string, std::string> updates;
    };

    void check_size(const Graph& graph) const;
    const Elements& elements(const Graph& graph, ValueId id, const std::map<std::string, Known>& fresh,
                             std::map<std::string, Elements>& leaves) const;
    /// Whether a value is computed from weights alone, and no result.
    bool is_loaded(const ValueInfo& value) const {
        return value.producer >= 0 && at_load_[static_cast<std::size_t>(value.producer)];
    }
    void run(std::string_view stage, const Graph& graph, const Node& node, std::map<std::string, Known>& fresh);
    void compare(std::string_view stage, const std::string& what, const Known& before, const Elements& found,
                 DType coarsest);
    void compare_ends(std::string_view stage, const Graph& graph, const std::map<std::string, Known>& fresh);

    Backend& host_;
    SymbolValues wanted_;
    std::uint64_t seed_;
    std::optional<SyntheticStep> synthetic_;
    Before before_;
    std::vector<bool> at_load_;  // by NodeId of the graph that is checked
    std::size_t nodes_run_ = 0, values_compared_ = 0;
};

}  // namespace vitro
