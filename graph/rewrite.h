// What a pass edits a graph with, and what it leaves behind: for every candidate whether the rule fired and why not,
// and for every value of the source graph what became of it.
#pragma once

#include "graph/graph.h"

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vitro {

/// What happened at one candidate, a place where a pass could apply: it fired, or was refused.
struct Finding {
    std::string_view pass;
    std::string path;  // of the candidate's last value
    bool fired = false;
    std::string reason;  // what it became, or the condition that failed
};

/// What became of a value of the source graph that the final graph does not compute under its own name.
struct Fate {
    enum class Kind : std::uint8_t {
        merged,  // `into` has the same elements: a common subexpression, a cast that did nothing
        elided,  // exists only inside the fused op that computes `into`
        folded,  // is the constant `into`
        unused,  // no result depends on it
    };
    Kind kind = Kind::unused;
    std::string into;  // a path; may itself have a fate from a later pass
    std::string_view pass;
};
std::string_view name(Fate::Kind kind);

/// The story of one compilation.
struct Journal {
    std::vector<Finding> findings;
    std::map<std::string, Fate> fates;  // by the source value's path

    /// The value of the final graph in which `path` ended up, following fates; empty when no result depends on it.
    std::string realized_by(const std::string& path) const;
};

/// Edits one graph for one pass. Reads see the graph as it was; edits take effect in finish().
class Rewriter {
public:
    /// The pass's name is kept as it is: a literal.
    Rewriter(Graph& graph, Journal& journal, std::string_view pass);

    const Graph& graph() const { return graph_; }
    const ValueInfo& value(ValueId id) const { return graph_.value(id); }
    /// The node that computes `id` with this op, or -1 (also for kAbsent): `producer(x, "matmul")`.
    NodeId producer(ValueId id, std::string_view op) const;
    /// How often a value is used, by nodes, results and updates.
    int uses(ValueId id) const { return static_cast<int>(users(id).size()) + extra_uses(id); }
    /// Whether a value is the same in every step: a weight, or computed from weights and constants alone.
    bool is_weight(ValueId id) const;
    /// The nodes that use a value.
    std::span<const NodeId> users(ValueId id) const {
        const auto at = static_cast<std::size_t>(id);
        return std::span(users_).subspan(users_begin_[at], users_begin_[at + 1] - users_begin_[at]);
    }
    /// Whether an edit of this pass already took the node.
    bool taken(NodeId id) const { return taken_[static_cast<std::size_t>(id)]; }

    void fired(ValueId at, std::string what);
    /// Returns false, for `return rewriter.refuse(…)`.
    bool refuse(ValueId at, std::string reason);
    /// Refuses unless `id` is used only once: the usual condition of a fusion.
    bool require_single_use(ValueId at, ValueId id);
    /// Refuses unless two values with the same numbers keep them: no op writes over the memory of either, or it is the
    /// same memory. The condition for every use of one to become a use of the other.
    bool require_lasting(ValueId copy, ValueId original);

    ValueId constant(std::string path, TensorType type, std::vector<std::byte> data);
    /// A new value for a node of replace() to define.
    ValueId new_value(std::string path, TensorType type);

    /// Puts `node` in the place of `matched` (the nodes it stands for). Its outputs are values of matched nodes or new
    /// ones; what else the matched nodes computed is elided. Users stay as they are.
    void replace(std::span<const NodeId> matched, Node node);
    /// Adds a node that stands for no other.
    void insert(Node node, NodeId before);
    /// Every use of `from` becomes one of `to`.
    void replace_uses(ValueId from, ValueId to, Fate::Kind kind);

    /// Carries the edits out, drops what nothing wants, puts the nodes in order. True when anything changed.
    bool finish();

private:
    struct Placed {
        Node node;
        NodeId position;  // of the node it comes before, or stands for
    };

    int extra_uses(ValueId id) const;
    std::vector<Node> edited_nodes();
    void follow_replaced(std::vector<Node>& nodes);

    Graph& graph_;
    Journal& journal_;
    std::string_view pass_;
    std::vector<std::size_t> users_begin_;  // by ValueId: where its users begin in users_
    std::vector<NodeId> users_;
    std::vector<int> final_uses_;                          // by ValueId: results and updates
    std::vector<bool> taken_;                              // by NodeId
    mutable std::optional<std::vector<bool>> load_nodes_;  // by NodeId; found when somebody asks
    std::vector<std::pair<ValueId, ValueId>> replaced_;    // uses of the first become uses of the second
    std::vector<Placed> added_;
    bool changed_ = false;
};

}  // namespace vitro
