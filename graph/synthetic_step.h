// A step made up from a seed, for a graph without a model or a text: valid inputs, and random weights and states.
//
// What an i32 input must be follows from the roles that ops give their inputs (graph/index_check.h). All that describe
// the step's sequences describe one ragged step together: some tokens of each sequence, behind those of its own that
// the cache holds already, in pages that no other sequence has.
#pragma once

#include "graph/index_check.h"

#include <map>
#include <string>
#include <vector>

namespace vitro {

class SyntheticStep {
public:
    /// Sizes of symbols in `symbols` where they are not 0; the others are made up, small. Error when a size is not
    /// within its bound, or does not fit the pages.
    SyntheticStep(const Graph& graph, SymbolValues symbols, std::uint64_t seed);

    const SymbolValues& symbols() const { return symbols_; }

    /// Writes an input, a weight or a state of the graph, or of one that passes made of it. Error when no numbers of an
    /// i32 input suit all that read it. What is written depends on the seed and the value's path (a weight's checkpoint
    /// tensor) alone.
    void fill(const ValueInfo& value, const Tensor& tensor) const;

private:
    struct Counts;
    Counts counts(const Graph& graph) const;
    void choose_sizes(const Graph& graph);
    void choose_lengths(const Graph& graph, const Counts& counts);
    void fill_i32(const std::string& path, const Tensor& tensor) const;

    std::uint64_t seed_;
    SymbolValues symbols_;
    std::map<std::string, std::vector<IndexRule>> rules_;
    std::vector<std::int64_t> new_tokens_, in_cache_;  // of each sequence
};

}  // namespace vitro
