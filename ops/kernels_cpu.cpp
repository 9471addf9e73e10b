// Of the rows of op_list.def, what is for the CPU: compiled once for each instruction set, like the kernels themselves.
#include "backends/cpu/isa.h"
#include "graph/op_def.h"

#define VITRO_WITH_NONE(...)
#define VITRO_WITH_CPU(...) __VA_ARGS__

namespace vitro::inline VITRO_ISA {

#define VITRO_OP(Name, on_cpu, on_cuda) VITRO_WITH_##on_cpu(extern const KernelDef k##Name##Cpu;)
#include "ops/op_list.def"
#undef VITRO_OP

std::span<const KernelDef> kernels() {
    static const KernelDef all[] = {
#define VITRO_OP(Name, on_cpu, on_cuda) VITRO_WITH_##on_cpu(k##Name##Cpu, )
#include "ops/op_list.def"
#undef VITRO_OP
    };
    return all;
}

}  // namespace vitro::inline VITRO_ISA
