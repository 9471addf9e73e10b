#include "ops/relu/relu.h"

#include "ops/common/activations_cuda.h"
#include "ops/common/map_cuda.h"

namespace vitro::VITRO_DEVICE {

extern const KernelDef kReluCuda{.op = "relu", .run = [](const Call& call) { map_cuda(call, "relu", Relu{}); }};

}  // namespace vitro::VITRO_DEVICE
