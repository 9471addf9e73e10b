#include "runtime/memory_use.h"

#include "base/checked.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace vitro {

bool is_mapped(const ValueInfo& weight, bool on_host) {
    return on_host && weight.sources.size() == 1 && weight.form == WeightForm::stored;
}

std::vector<MemoryUse> memory_use(std::span<const Program* const> programs) {
    std::vector<MemoryUse> out;
    std::set<std::tuple<std::size_t, std::vector<std::string>, WeightForm>> counted;
    for (const Program* program : programs) {
        const Plan& plan = program->plan;
        out.resize(plan.devices.size());
        for (std::size_t device = 0; device < out.size(); ++device) {
            MemoryUse& use = out[device];
            use.device = plan.devices[device].name;
            use.is_host = plan.devices[device].is_host;
            use.states = std::max(use.states, plan.bytes(Region::states, device));
            use.arena = std::max(use.arena, plan.bytes(Region::arena, device));
            use.io += plan.bytes(Region::io, device);
            if (!use.is_host) use.staging = use.io;
        }
        for (const ValueId id : program->graph.values_of(ValueKind::weight)) {
            const ValueInfo& weight = program->graph.value(id);
            const std::size_t device = plan.place(id).device;
            if (!counted.emplace(device, weight.sources, weight.form).second) continue;
            const auto bytes = static_cast<std::size_t>(bytes_of(weight.type, {}));
            if (is_mapped(weight, out[device].is_host))
                out[device].mapped_weights += bytes;
            else
                out[device].weights += round_up(bytes, plan.devices[device].alignment);
        }
    }
    return out;
}

}  // namespace vitro
