#include "graph/schedule.h"

#include "graph/sharing.h"

#include <algorithm>

namespace vitro {
namespace {

using Order = std::vector<NodeId>;

constexpr std::size_t kWindow = 64;  // of the nodes that could come next, how many are compared

std::size_t index(std::int32_t id) { return static_cast<std::size_t>(id); }

/// What must run before what: data, and readers before the op that writes over what they read.
class Dependencies {
public:
    explicit Dependencies(const Graph& graph)
        : graph_(graph), after_(graph.nodes.size()), missing_(graph.nodes.size()), content_(graph.values.size()) {
        std::vector<std::vector<NodeId>> readers(graph.values.size());  // by content
        std::vector<NodeId> writer(graph.values.size(), -1);            // by content
        for (std::size_t i = 0; i < graph.values.size(); ++i) content_[i] = static_cast<ValueId>(i);
        for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
            const Node& node = graph.nodes[n];
            for (const ValueId id : present(node.inputs)) {
                const NodeId producer = graph.value(id).producer;
                if (producer >= 0) add(producer, static_cast<NodeId>(n));
                readers[index(content_[index(id)])].push_back(static_cast<NodeId>(n));
            }
            for (const auto& [output, input] : node.op->aliases) {
                const ValueId content = content_[index(node.inputs[input])];
                if (node.op->is_view) {
                    content_[index(node.outputs[output])] = content;
                    continue;
                }
                if (writer[index(content)] >= 0)
                    fail("{}: {} writes over {}, too", describe(graph, node),
                         describe(graph, graph.node(writer[index(content)])), graph.value(content).path);
                writer[index(content)] = static_cast<NodeId>(n);
                for (std::size_t i = 0; i < node.inputs.size(); ++i)
                    if (i != input && node.inputs[i] != kAbsent && content_[index(node.inputs[i])] == content)
                        fail("{}: reads {} while it writes over the same memory, {}", describe(graph, node),
                             graph.value(node.inputs[i]).path, graph.value(node.inputs[input]).path);
            }
        }
        for (std::size_t i = 0; i < graph.values.size(); ++i)
            if (writer[i] >= 0)
                for (const NodeId reader : readers[i])
                    if (reader != writer[i]) add(reader, writer[i]);
        check_what_stays(writer);
    }

    const std::vector<NodeId>& after(NodeId id) const { return after_[index(id)]; }
    const std::vector<int>& missing() const { return missing_; }

    /// Of the nodes that could come next, always the one that `next` picks from a list (an index into it).
    template <class Next>
    Order order(Next&& next) const {
        std::vector<int> missing = missing_;
        std::vector<NodeId> ready;
        for (std::size_t n = 0; n < missing.size(); ++n)
            if (missing[n] == 0) ready.push_back(static_cast<NodeId>(n));
        Order out;
        out.reserve(missing.size());
        while (!ready.empty()) {
            const std::size_t at = next(ready);
            const NodeId id = ready[at];
            ready.erase(ready.begin() + static_cast<std::ptrdiff_t>(at));
            out.push_back(id);
            for (const NodeId then : after(id))
                if (--missing[index(then)] == 0) ready.insert(std::upper_bound(ready.begin(), ready.end(), then), then);
        }
        if (out.size() == missing.size()) return out;
        const auto stuck = std::find_if(missing.begin(), missing.end(), [](int count) { return count > 0; });
        fail("{}: it, or what it depends on, reads a value after an op has written over it",
             describe(graph_, graph_.nodes[static_cast<std::size_t>(stuck - missing.begin())]));
    }

private:
    /// What the caller or the next run reads must not be written over in this one. `writer` by content.
    void check_what_stays(const std::vector<NodeId>& writer) const {
        const auto refuse_writer = [&](ValueId id, std::string_view what) {
            if (const NodeId over = writer[index(content_[index(id)])]; over >= 0)
                fail("{} {}: {} writes over it", what, graph_.value(id).path, describe(graph_, graph_.node(over)));
        };
        for (const ValueId result : graph_.results) refuse_writer(result, "result");
        std::vector<bool> is_updated(graph_.values.size());
        for (const auto& [state, next] : graph_.updates) {
            is_updated[index(state)] = true;
            refuse_writer(next, "next state");
        }
        for (std::size_t i = 0; i < graph_.values.size(); ++i) {
            const ValueKind kind = graph_.values[i].kind;
            const auto id = static_cast<ValueId>(i);
            if (kind == ValueKind::weight) refuse_writer(id, "weight");
            if (kind == ValueKind::constant) refuse_writer(id, "constant");
            if (kind == ValueKind::state && !is_updated[i]) refuse_writer(id, "a state without an update,");
        }
    }

    void add(NodeId first, NodeId then) {
        after_[index(first)].push_back(then);
        ++missing_[index(then)];
    }

    const Graph& graph_;
    std::vector<std::vector<NodeId>> after_;  // by NodeId
    std::vector<int> missing_;                // by NodeId: how many must come first
    std::vector<ValueId> content_;            // by ValueId: itself, or what it is a view of
};

/// Bytes that are live while nodes run, by what shares memory. In-place ops count as such where the input dies.
class Memory {
public:
    Memory(const Graph& graph, const std::vector<std::size_t>& scratch_bytes)
        : graph_(graph),
          scratch_(scratch_bytes),
          sharing_(graph.values.size()),
          readers_(graph.values.size()),
          bytes_(graph.values.size()) {
        for (const Node& node : graph.nodes)
            for (const auto& [output, input] : node.op->aliases)
                sharing_.join(node.inputs[input], node.outputs[output]);
        std::vector<bool> elsewhere(graph.values.size());  // not in the arena
        for (std::size_t i = 0; i < graph.values.size(); ++i)
            if (graph.values[i].kind != ValueKind::result) elsewhere[root(static_cast<ValueId>(i))] = true;
        for (const ValueId id : graph.results) elsewhere[root(id)] = true;
        const SymbolValues bounds = graph.bound_values();
        for (const Node& node : graph.nodes) {
            for (const ValueId id : node.outputs)
                if (!elsewhere[root(id)])
                    bytes_[root(id)] = static_cast<std::size_t>(bytes_of(graph.value(id).type, bounds));
            for (const std::size_t used : inputs(node)) ++readers_[used];
        }
        left_ = readers_;
        defined_.resize(graph.values.size());
    }

    /// Forgets what ran.
    void restart() {
        left_ = readers_;
        defined_.assign(defined_.size(), false);
        live_ = 0;
    }

    struct Effect {
        std::size_t during;     // bytes live while it runs
        std::ptrdiff_t change;  // bytes it leaves behind, less those it frees
    };
    Effect effect(NodeId id) {
        const Node& node = graph_.node(id);
        std::ptrdiff_t made = 0, freed = 0;
        std::size_t in_place = 0;
        for (const std::size_t used : inputs(node))
            if (left_[used] == 1) freed += static_cast<std::ptrdiff_t>(bytes_[used]);
        for (const ValueId output : node.outputs) {
            const std::size_t made_root = root(output);
            if (defined_[made_root]) continue;
            made += static_cast<std::ptrdiff_t>(bytes_[made_root]);
            if (readers_[made_root] == 0) freed += static_cast<std::ptrdiff_t>(bytes_[made_root]);
        }
        if (node.op->in_place && bytes_[root(node.outputs[0])] > 0 && !defined_[root(node.outputs[0])]) {
            const ValueId from = node.inputs[*node.op->in_place];
            if (left_[root(from)] == 1 && graph_.value(from).type == graph_.value(node.outputs[0]).type)
                in_place = bytes_[root(from)];
        }
        return {live_ + static_cast<std::size_t>(made) - in_place + scratch_[index(id)], made - freed};
    }
    void run(NodeId id) {
        const Effect effect_of_it = effect(id);
        for (const std::size_t used : inputs(graph_.node(id))) --left_[used];
        for (const ValueId output : graph_.node(id).outputs) defined_[root(output)] = true;
        live_ = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(live_) + effect_of_it.change);
    }

    std::size_t bytes_made(NodeId id) {
        std::size_t sum = scratch_[index(id)];
        for (const ValueId output : graph_.node(id).outputs) sum += bytes_[root(output)];
        return sum;
    }

private:
    std::size_t root(ValueId id) { return sharing_.root(id); }

    /// What the node reads, each memory once. Valid until the next call.
    const std::vector<std::size_t>& inputs(const Node& node) {
        inputs_.clear();
        for (const ValueId id : present(node.inputs))
            if (const std::size_t used = root(id); std::find(inputs_.begin(), inputs_.end(), used) == inputs_.end())
                inputs_.push_back(used);
        return inputs_;
    }

    const Graph& graph_;
    const std::vector<std::size_t>& scratch_;  // by NodeId
    Sharing sharing_;
    std::vector<int> readers_;         // by root: nodes that read it
    std::vector<int> left_;            // those that have not run
    std::vector<bool> defined_;        // by root: a node that ran made it
    std::vector<std::size_t> bytes_;   // by root: what it takes in the arena
    std::vector<std::size_t> inputs_;  // scratch of inputs()
    std::size_t live_ = 0;
};

/// Always what leaves the least behind; of equals what needs the least while it runs, then the first.
Order greedy(const Dependencies& dependencies, Memory& memory) {
    memory.restart();
    return dependencies.order([&](const std::vector<NodeId>& ready) {
        std::size_t best = 0;
        for (std::size_t i = 1; i < std::min(ready.size(), kWindow); ++i) {
            const Memory::Effect a = memory.effect(ready[i]), b = memory.effect(ready[best]);
            if (a.change < b.change || (a.change == b.change && a.during < b.during)) best = i;
        }
        memory.run(ready[best]);
        return best;
    });
}

/// From the results back: of a node's inputs, first the one whose making needs the most (Sethi and Ullman 1970).
Order depth_first(const Graph& graph, const Dependencies& dependencies, Memory& memory) {
    std::vector<std::size_t> need(graph.nodes.size());
    std::vector<std::vector<NodeId>> before(graph.nodes.size());
    for (std::size_t n = 0; n < graph.nodes.size(); ++n)
        for (const NodeId then : dependencies.after(static_cast<NodeId>(n)))
            before[index(then)].push_back(static_cast<NodeId>(n));
    const Order given = dependencies.order([](const std::vector<NodeId>&) { return std::size_t{0}; });
    for (const NodeId id : given) {
        auto& list = before[index(id)];
        std::sort(list.begin(), list.end(), [&](NodeId a, NodeId b) {
            return need[index(a)] != need[index(b)] ? need[index(a)] > need[index(b)] : a < b;
        });
        list.erase(std::unique(list.begin(), list.end()), list.end());
        std::size_t kept = 0, most = 0;
        for (const NodeId first : list) {
            most = std::max(most, kept + need[index(first)]);
            kept += memory.bytes_made(first);
        }
        need[index(id)] = std::max(most, kept + memory.bytes_made(id));
    }
    Order out;
    std::vector<bool> done(graph.nodes.size());
    std::vector<NodeId> open;
    for (const NodeId last : given) {
        if (!dependencies.after(last).empty()) continue;
        open.push_back(last);
        while (!open.empty()) {
            const NodeId id = open.back();
            const auto& list = before[index(id)];
            const auto next = std::find_if(list.begin(), list.end(), [&](NodeId first) { return !done[index(first)]; });
            if (next != list.end()) {
                open.push_back(*next);
                continue;
            }
            open.pop_back();
            if (!done[index(id)]) out.push_back(id);
            done[index(id)] = true;
        }
    }
    return out;
}

}  // namespace

std::vector<Order> schedules(const Graph& graph, const std::vector<std::size_t>& scratch_bytes) {
    const Dependencies dependencies(graph);
    Memory memory(graph, scratch_bytes);
    const auto peak = [&](const Order& order) {
        memory.restart();
        std::size_t most = 0;
        for (const NodeId id : order) {
            most = std::max(most, memory.effect(id).during);
            memory.run(id);
        }
        return most;
    };
    std::vector<Order> out{dependencies.order([](const std::vector<NodeId>&) { return std::size_t{0}; })};
    const std::size_t given = peak(out[0]);
    for (Order& order : std::vector<Order>{greedy(dependencies, memory), depth_first(graph, dependencies, memory)})
        if (peak(order) < given) out.push_back(std::move(order));
    return out;
}

void reorder(Graph& graph, const Order& order) {
    VITRO_CHECK(order.size() == graph.nodes.size());
    std::vector<Node> nodes;
    nodes.reserve(order.size());
    for (const NodeId id : order) {
        nodes.push_back(std::move(graph.nodes[index(id)]));
        for (const ValueId output : nodes.back().outputs)
            graph.value(output).producer = static_cast<NodeId>(nodes.size() - 1);
    }
    graph.nodes = std::move(nodes);
}

}  // namespace vitro
