// Which numbers of an i32 value are valid: what the ops that read it say of their inputs (InputRole). Kernels and
// references trust what they read, so the numbers are checked before them, each once:
// - those of the graph's inputs by whoever gives them (input_rules, check_indices);
// - all others, of constants, weights, states and computed values (unchecked_indices), when a graph is folded,
//   interpreted or executed. A model's step reads none of these.
#pragma once

#include "graph/graph.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitro {

/// What one reader wants of an i32 value.
struct IndexRule {
    InputRole role = InputRole::values;
    Dim below = 0;             // of rows, sequences, pages: they are in [0, below)
    Dim pages = 0;             // of positions, lengths: how many pages a sequence has; 0: there are none
    Dim page_size = 0;         // positions in a page
    std::optional<Dim> sum{};  // of lengths: what they add up to
    std::string reader{};      // "tokens of embed at model.embed_tokens"

    /// How many positions a sequence has room for; none where there are no pages.
    std::optional<std::int64_t> room(const SymbolValues& symbols) const;
    /// Whether the rule is the same at every step.
    bool is_constant() const;
};

/// What `node` wants of its input `input`; none where any number will do.
std::optional<IndexRule> index_rule(const Graph& graph, const Node& node, std::size_t input);

/// What the readers of every i32 input of the graph want, by its path, also those that read it through ops that only
/// move elements; each rule once, with its first reader.
std::map<std::string, std::vector<IndexRule>> input_rules(const Graph& graph);

/// An input of a node with a rule that holding the graph's inputs to input_rules does not already keep.
struct UncheckedIndices {
    NodeId node = -1;
    std::size_t input = 0;
    IndexRule rule;
};
/// In the order of the nodes.
std::vector<UncheckedIndices> unchecked_indices(const Graph& graph);

/// The inputs of a node that say which rows of a cache it writes, by their places among its inputs.
struct WrittenRows {
    std::size_t positions, sequences, pages, cache;
};
/// None of a node that writes none.
std::optional<WrittenRows> written_rows(const Node& node);

/// Nodes that write rows which something else than the graph's inputs says: whether those are distinct, no one who
/// gives inputs can check.
std::vector<NodeId> unchecked_writes(const Graph& graph);

/// Error where two tokens have the same row, for which of them it then holds would be chance. The numbers are valid by
/// their rules; `reader` is "kv_append at k_cache", `slots` the positions of a page.
void check_written_rows(std::string_view reader, const Tensor& positions, const Tensor& sequences, const Tensor& pages,
                        std::int64_t slots);

/// Error, naming `what` ("input tokens") and the rule's reader, on a number that the rule excludes. A sum that is a
/// symbol of value 0 is not asked for.
void check_indices(std::string_view what, const Tensor& tensor, const IndexRule& rule, const SymbolValues& symbols);

/// The same of all inputs of a node that have a rule, and of the rows that it writes; `inputs` in host memory.
void check_indices(const Graph& graph, const Node& node, std::span<const Tensor> inputs, const SymbolValues& symbols);

}  // namespace vitro
