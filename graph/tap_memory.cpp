#include "graph/tap_memory.h"

#include "base/checked.h"

#include <algorithm>

namespace vitro {
namespace {

/// The node whose step fills the memory of a value: its own, or, behind views, that of the value they show. -1: none.
NodeId maker_of(const Graph& graph, ValueId id) {
    NodeId node = graph.value(id).producer;
    while (node >= 0 && graph.node(node).op->is_view) node = graph.value(graph.node(node).inputs[0]).producer;
    return node;
}

/// Whether a value is a weight, or a view of one.
bool is_weight(const Program& program, ValueId id) { return program.plan.place(id).region == Region::weights; }

}  // namespace

TapMemory::TapMemory(const Program& program, std::span<const ValueId> values, std::span<Backend* const> backends)
    : by_value_(program.graph.values.size()) {
    const Graph& graph = program.graph;
    std::vector<std::size_t> steps_until(graph.nodes.size());  // steps that have run when the node's has
    for (std::size_t i = 0; i < program.steps.size(); ++i)
        steps_until[static_cast<std::size_t>(program.steps[i].node)] = i + 1;

    std::vector<std::size_t> bytes(backends.size());
    for (const ValueId id : values) {
        std::size_t& index = by_value_[static_cast<std::size_t>(id)];
        if (index != 0) continue;
        if (is_weight(program, id))
            fail("{}: expected a value of the step to tap, found a weight", graph.value(id).path);
        const NodeId maker = maker_of(graph, id);
        Tap tap{.value = id,
                .device = program.plan.place(id).device,
                .after = maker < 0 ? 0 : steps_until[static_cast<std::size_t>(maker)],
                .bytes = static_cast<std::size_t>(bytes_of(graph.value(id).type, graph.bound_values()))};
        tap.offset = bytes[tap.device];
        const std::size_t alignment = backends[tap.device]->alignment();
        const auto end = checked_add(tap.offset, tap.bytes);
        const auto padded = end ? checked_add(*end, alignment) : std::nullopt;
        if (!padded) fail("{}: the copies of tapped values would take more than 2^64 bytes", graph.value(id).path);
        bytes[tap.device] = round_up(*end, alignment);
        taps_.push_back(tap);
        index = 1;
    }
    std::stable_sort(taps_.begin(), taps_.end(), [](const Tap& a, const Tap& b) { return a.after < b.after; });
    for (std::size_t i = 0; i < taps_.size(); ++i) by_value_[static_cast<std::size_t>(taps_[i].value)] = i + 1;
    for (std::size_t device = 0; device < backends.size(); ++device)
        blocks_.push_back(bytes[device] == 0 ? Buffer{}
                                             : backends[device]->allocate_staging(bytes[device], "tapped values"));
}

std::span<const TapMemory::Tap> TapMemory::after(std::size_t steps) const {
    if (taps_.empty()) return {};
    const auto [first, last] = std::equal_range(taps_.begin(), taps_.end(), Tap{.after = steps},
                                                [](const Tap& a, const Tap& b) { return a.after < b.after; });
    return {first, last};
}

const TapMemory::Tap& TapMemory::of(ValueId value) const {
    const auto i = static_cast<std::size_t>(value);
    if (value < 0 || i >= by_value_.size() || by_value_[i] == 0) fail("value {} is not tapped", value);
    return taps_[by_value_[i] - 1];
}

}  // namespace vitro
