#include "ops/silu/silu.h"

#include "ops/common/activations_cuda.h"
#include "ops/common/map_cuda.h"

namespace vitro::VITRO_DEVICE {

extern const KernelDef kSiluCuda{.op = "silu", .run = [](const Call& call) { map_cuda(call, "silu", Silu{}); }};

}  // namespace vitro::VITRO_DEVICE
