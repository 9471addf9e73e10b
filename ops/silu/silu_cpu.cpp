#include "ops/common/activations_cpu.h"
#include "ops/common/elementwise_cpu.h"
#include "ops/silu/silu.h"

namespace vitro::inline VITRO_ISA {

extern const KernelDef kSiluCpu{.op = "silu", .run = elementwise_cpu<silu_lanes>};

}  // namespace vitro::inline VITRO_ISA
