#include "graph/plan.h"

#include "base/checked.h"
#include "graph/arena.h"
#include "graph/sharing.h"

#include <algorithm>

namespace vitro {
namespace {

class Planner {
public:
    Planner(const Graph& graph, const PlanRequest& request)
        : graph_(graph),
          request_(request),
          bounds_(graph.bound_values()),
          sharing_(graph.values.size()),
          parts_(graph.values.size()) {}

    Plan plan() {
        share_aliases();
        check_updates();
        share_parts();
        assign_regions();
        find_last_uses();
        share_in_place();
        Plan plan;
        plan.values.resize(graph_.values.size());
        plan.devices = request_.devices;
        place_fixed_regions(plan);
        place_arenas(plan);
        place_parts(plan);
        return plan;
    }

private:
    static std::size_t index(ValueId id) { return static_cast<std::size_t>(id); }
    std::size_t device(ValueId id) const { return request_.value_devices[static_cast<std::size_t>(id)]; }
    std::size_t value_bytes(ValueId id) const {
        return round_up(static_cast<std::size_t>(bytes_of(graph_.value(id).type, bounds_)),
                        request_.devices[device(id)].alignment);
    }

    void share_aliases() {
        for (const Node& node : graph_.nodes)
            for (const auto& [output, input] : node.op->aliases)
                sharing_.join(node.inputs[input], node.outputs[output]);
    }

    void check_updates() {
        for (const auto& [state, next] : graph_.updates)
            if (sharing_.root(state) != sharing_.root(next))
                fail("update of {}: expected a value that an op writes into it, found {}", graph_.value(state).path,
                     graph_.value(next).path);
    }

    /// Gives the inputs of ops that join them their places within the output: those that a node computes for this one
    /// alone, apart from what they are made of. From the end, so that an output's own place is known before its parts'.
    void share_parts() {
        const std::vector<int> uses = graph_.use_counts();
        std::vector<bool> has_alias(graph_.values.size());
        for (const Node& node : graph_.nodes)
            for (const auto& [output, input] : node.op->aliases)
                has_alias[index(node.outputs[output])] = has_alias[index(node.inputs[input])] = true;
        for (std::size_t n = graph_.nodes.size(); n-- > 0;) {
            const Node& node = graph_.nodes[n];
            if (node.op->joins_inputs == nullptr ||
                !node.op->joins_inputs(types_of(graph_, node.inputs), node.attributes) || !has_fixed_size(node))
                continue;
            const ValueId out = node.outputs[0];
            if (sharing_.root(out) != index(out) && !parts_[index(out)].is_part) continue;
            const std::size_t alignment = request_.devices[device(out)].alignment;
            std::size_t offset = parts_[index(out)].offset;
            for (const ValueId id : present(node.inputs)) {
                const std::size_t begin = offset;
                offset += static_cast<std::size_t>(bytes_of(graph_.value(id).type, bounds_));
                if (graph_.value(id).producer < 0 || has_alias[index(id)] || uses[index(id)] != 1 ||
                    device(id) != device(out) || begin % alignment != 0)
                    continue;
                parts_[index(id)] = {true, begin};
                sharing_.join(out, id);
            }
        }
    }

    bool has_fixed_size(const Node& node) const {
        const Shape& shape = graph_.value(node.outputs[0]).type.shape;
        return std::none_of(shape.begin(), shape.end(), [](Dim dim) { return dim.is_symbol(); });
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
            for (const ValueId id : present(graph_.nodes[n].inputs)) use(id);
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
            if (parts_[index(from)].is_part || parts_[index(to)].is_part) continue;
            if (last_use_[sharing_.root(from)] != static_cast<NodeId>(n)) continue;
            if (graph_.value(from).type != graph_.value(to).type || device(from) != device(to)) continue;
            const auto same = [&](ValueId id) { return sharing_.root(id) == sharing_.root(from); };
            if (std::ranges::count_if(present(node.inputs), same) != 1) continue;
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
        constexpr std::size_t kNone = static_cast<std::size_t>(-1);
        std::vector<std::size_t> block_of(graph_.values.size(), kNone);  // by root
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
            const auto node = static_cast<NodeId>(n);
            for (const ValueId id : graph_.nodes[n].outputs) {
                const std::size_t root = sharing_.root(id);
                if (region(id) != Region::arena) continue;
                if (block_of[root] == kNone) {
                    block_of[root] = plan.blocks.size();
                    const std::size_t bytes = value_bytes(static_cast<ValueId>(root));
                    plan.blocks.push_back({{device(id), Region::arena, 0, bytes}, node, last_use_[root], {}});
                }
                plan.blocks[block_of[root]].values.push_back(id);
            }
        }
        plan.scratch.resize(graph_.nodes.size());
        for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
            const auto node = static_cast<NodeId>(n);
            const std::size_t on = device(graph_.nodes[n].outputs[0]);
            const std::size_t bytes = round_up(request_.scratch_bytes[n], request_.devices[on].alignment);
            plan.scratch[n] = {on, Region::arena, 0, bytes};
            if (bytes > 0) plan.blocks.push_back({plan.scratch[n], node, node, {}});
        }
        for (std::size_t on = 0; on < plan.devices.size(); ++on) pack_arena(plan, on);
        for (const Block& block : plan.blocks) {
            for (const ValueId id : block.values) plan.values[static_cast<std::size_t>(id)] = block.place;
            if (block.values.empty()) plan.scratch[static_cast<std::size_t>(block.first)] = block.place;
        }
    }

    /// Until here they stand where the whole stands.
    void place_parts(Plan& plan) const {
        for (std::size_t i = 0; i < parts_.size(); ++i) {
            if (!parts_[i].is_part) continue;
            plan.values[i].offset += parts_[i].offset;
            plan.values[i].bytes = static_cast<std::size_t>(bytes_of(graph_.values[i].type, bounds_));
        }
    }

    static void pack_arena(Plan& plan, std::size_t device) {
        std::vector<Piece> pieces;
        for (const Block& block : plan.blocks)
            if (block.place.device == device) pieces.push_back({block.place.bytes, block.first, block.last});
        plan.devices[device].arena_lower_bound = most_live_bytes(pieces);
        plan.devices[device].region_bytes[static_cast<std::size_t>(Region::arena)] = pack(pieces);
        std::size_t next = 0;
        for (Block& block : plan.blocks)
            if (block.place.device == device) block.place.offset = pieces[next++].offset;
    }

    const Graph& graph_;
    const PlanRequest& request_;
    SymbolValues bounds_;
    Sharing sharing_;
    /// A value that is computed in its place within another.
    struct Part {
        bool is_part = false;
        std::size_t offset = 0;  // in the root of its set
    };
    std::vector<Part> parts_;       // by ValueId
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
