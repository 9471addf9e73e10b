#include "ops/gelu/gelu.h"

#include "ops/common/activations_cuda.h"
#include "ops/common/map_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

void run(const Call& call) {
    if (call.attributes.as<Gelu>().tanh)
        map_cuda(call, "gelu_tanh", GeluTanh{});
    else
        map_cuda(call, "gelu_erf", GeluErf{});
}

}  // namespace

extern const KernelDef kGeluCuda{.op = "gelu", .run = run};

}  // namespace vitro::VITRO_DEVICE
