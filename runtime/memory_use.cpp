#include "runtime/memory_use.h"

namespace vitro {

std::vector<MemoryUse> memory_use(std::span<const Program* const> programs, const LoadProgram& load) {
    const Program& loading = load.program();
    std::vector<MemoryUse> out(loading.plan.devices.size());
    for (std::size_t device = 0; device < out.size(); ++device) {
        MemoryUse& use = out[device];
        use.device = loading.plan.devices[device].name;
        use.is_host = loading.plan.devices[device].is_host;
        use.weights = loading.plan.bytes(Region::io, device);
        use.loading = loading.plan.bytes(Region::arena, device);
        for (const Program* program : programs) {
            use.states = std::max(use.states, program->plan.bytes(Region::states, device));
            use.arena = std::max(use.arena, program->plan.bytes(Region::arena, device));
            use.io += program->plan.bytes(Region::io, device);
        }
        if (!use.is_host) use.staging = use.io;
    }
    for (const ValueId id : loading.graph.values_of(ValueKind::weight))
        if (load.is_mapped(id))
            out.back().mapped_weights += static_cast<std::size_t>(bytes_of(loading.graph.value(id).type, {}));
    return out;
}

}  // namespace vitro
