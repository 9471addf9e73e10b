#include "ops/common/activations_cpu.h"
#include "ops/common/elementwise_cpu.h"
#include "ops/relu/relu.h"

namespace vitro::inline VITRO_ISA {

extern const KernelDef kReluCpu{.op = "relu", .run = elementwise_cpu<relu_lanes>};

}  // namespace vitro::inline VITRO_ISA
