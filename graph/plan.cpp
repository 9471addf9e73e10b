#include "graph/plan.h"

#include "base/checked.h"
#include "graph/sharing.h"

#include <algorithm>

namespace vitro {
namespace {

/// Values that are one memory, and the nodes between which it is in use.
struct Block {
    std::size_t device = 0;
    std::size_t bytes = 0;
    NodeId first = 0;  // the node that defines it
    NodeId last = 0;   // the last node that reads or writes it
    std::size_t offset = 0;
};

class Planner {
public:
    Planner(const Graph& graph, const PlanRequest& request)
        : graph_(graph), request_(request), bounds_(graph.bound_values()), sharing_(graph.values.size()) {}

    Plan plan() {
        share_aliases();
        assign_regions();
        find_last_uses();
        share_in_place();
        Plan plan;
        plan.values.resize(graph_.values.size());
        plan.devices.resize(request_.alignments.size());
        place_fixed_regions(plan);
        place_arenas(plan);
        return plan;
    }

private:
    std::size_t device(ValueId id) const { return request_.value_devices[static_cast<std::size_t>(id)]; }
    std::size_t value_bytes(ValueId id) const {
        return round_up(static_cast<std::size_t>(bytes_of(graph_.value(id).type, bounds_)),
                        request_.alignments[device(id)]);
    }

    void share_aliases() {
        for (const Node& node : graph_.nodes)
            for (const auto& [output, input] : node.op->aliases)
                sharing_.join(node.inputs[input], node.outputs[output]);
    }

    /// The region of a set: a state, weight or I/O value anywhere in it decides.
    void assign_regions() {
        region_.assign(graph_.values.size(), Region::arena);
        for (std::size_t i = 0; i < graph_.values.size(); ++i) {
            const auto id = static_cast<ValueId>(i);
            switch (graph_.value(id).kind) {
                case ValueKind::weight:
                    region(id) = Region::weights;
                    break;
                case ValueKind::state:
                    region(id) = Region::states;
                    break;
                case ValueKind::input:
                case ValueKind::constant:
                    region(id) = Region::io;
                    break;
                case ValueKind::result:
                    break;
            }
        }
        for (const ValueId id : graph_.results)
            if (region(id) == Region::arena) region(id) = Region::io;
    }

    Region& region(ValueId id) { return region_[sharing_.root(id)]; }

    void find_last_uses() {
        last_use_.assign(graph_.values.size(), -1);
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
            const auto use = [&](ValueId id) { last_use_[sharing_.root(id)] = static_cast<NodeId>(n); };
            for (const ValueId id : graph_.nodes[n].inputs) use(id);
            for (const ValueId id : graph_.nodes[n].outputs) use(id);
        }
    }

    /// Lets an in-place op write over its input when the op is the last to read that memory.
    void share_in_place() {
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
            const Node& node = graph_.nodes[n];
            if (!node.op->in_place) continue;
            const ValueId from = node.inputs[*node.op->in_place], to = node.outputs[0];
            if (region(from) != Region::arena || region(to) != Region::arena) continue;
            if (last_use_[sharing_.root(from)] != static_cast<NodeId>(n)) continue;
            if (graph_.value(from).type != graph_.value(to).type || device(from) != device(to)) continue;
            const auto same = [&](ValueId id) { return sharing_.root(id) == sharing_.root(from); };
            if (std::count_if(node.inputs.begin(), node.inputs.end(), same) != 1) continue;
            const NodeId last = last_use_[sharing_.root(to)];
            sharing_.join(from, to);
            last_use_[sharing_.root(from)] = last;
        }
    }

    void place_fixed_regions(Plan& plan) {
        for (std::size_t i = 0; i < graph_.values.size(); ++i) {
            const auto id = static_cast<ValueId>(i);
            if (region(id) == Region::arena) continue;
            const std::size_t root = sharing_.root(id);
            Place& own = plan.values[root];
            if (own.bytes == 0) {  // the first of its set
                own.device = device(id);
                own.region = region(id);
                std::size_t& end = plan.devices[own.device].region_bytes[static_cast<std::size_t>(own.region)];
                own.offset = end;
                own.bytes = value_bytes(static_cast<ValueId>(root));
                end += own.bytes;
            }
            plan.values[i] = own;
        }
    }

    void place_arenas(Plan& plan) {
        std::vector<Block> blocks;
        std::vector<std::size_t> block_of(graph_.values.size(), static_cast<std::size_t>(-1));
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
            for (const ValueId id : graph_.nodes[n].outputs) {
                const std::size_t root = sharing_.root(id);
                if (region(id) != Region::arena || block_of[root] != static_cast<std::size_t>(-1)) continue;
                block_of[root] = blocks.size();
                blocks.push_back({device(id), value_bytes(id), static_cast<NodeId>(n), last_use_[root]});
            }
        }
        const std::size_t n_values = blocks.size();
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
            const std::size_t on = device(graph_.nodes[n].outputs[0]);
            const std::size_t bytes = round_up(request_.scratch_bytes[n], request_.alignments[on]);
            blocks.push_back({on, bytes, static_cast<NodeId>(n), static_cast<NodeId>(n)});
        }
        for (std::size_t on = 0; on < plan.devices.size(); ++on) {
            plan.devices[on].region_bytes[static_cast<std::size_t>(Region::arena)] = place(blocks, on);
            plan.devices[on].arena_lower_bound = lower_bound(blocks, on);
        }
        const auto place_of = [&](const Block& block) {
            return Place{block.device, Region::arena, block.offset, block.bytes};
        };
        for (std::size_t i = 0; i < graph_.values.size(); ++i) {
            const std::size_t block = block_of[sharing_.root(static_cast<ValueId>(i))];
            if (block != static_cast<std::size_t>(-1)) plan.values[i] = place_of(blocks[block]);
        }
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n) plan.scratch.push_back(place_of(blocks[n_values + n]));
    }

    /// Gives every block of a device its offset; returns the end of the last one.
    static std::size_t place(std::vector<Block>& blocks, std::size_t device) {
        std::vector<Block*> order;
        for (Block& block : blocks)
            if (block.bytes > 0 && block.device == device) order.push_back(&block);
        std::stable_sort(order.begin(), order.end(),
                         [](const Block* a, const Block* b) { return a->bytes > b->bytes; });
        std::vector<const Block*> placed;  // by offset
        std::size_t end = 0;
        for (Block* block : order) {
            std::size_t offset = 0;
            for (const Block* other : placed) {
                if (other->last < block->first || block->last < other->first) continue;
                if (offset + block->bytes <= other->offset) break;
                offset = std::max(offset, other->offset + other->bytes);
            }
            block->offset = offset;
            end = std::max(end, offset + block->bytes);
            placed.insert(std::upper_bound(placed.begin(), placed.end(), block,
                                           [](const Block* a, const Block* b) { return a->offset < b->offset; }),
                          block);
        }
        return end;
    }

    std::size_t lower_bound(const std::vector<Block>& blocks, std::size_t device) const {
        std::vector<std::ptrdiff_t> change(graph_.nodes.size() + 1);
        for (const Block& block : blocks) {
            if (block.device != device) continue;
            change[static_cast<std::size_t>(block.first)] += static_cast<std::ptrdiff_t>(block.bytes);
            change[static_cast<std::size_t>(block.last) + 1] -= static_cast<std::ptrdiff_t>(block.bytes);
        }
        std::ptrdiff_t live = 0, most = 0;
        for (const std::ptrdiff_t delta : change) most = std::max(most, live += delta);
        return static_cast<std::size_t>(most);
    }

    const Graph& graph_;
    const PlanRequest& request_;
    SymbolValues bounds_;
    Sharing sharing_;
    std::vector<Region> region_;    // by root
    std::vector<NodeId> last_use_;  // by root
};

}  // namespace

std::string_view name(Region region) {
    static constexpr std::string_view kNames[] = {"weights", "states", "io", "arena"};
    return kNames[static_cast<std::size_t>(region)];
}

Plan make_plan(const Graph& graph, const PlanRequest& request) { return Planner(graph, request).plan(); }

}  // namespace vitro
