#include "ops/common/activations_cpu.h"
#include "ops/common/elementwise_cpu.h"
#include "ops/gelu/gelu.h"

namespace vitro::inline VITRO_ISA {
namespace {

void run(const Call& call) {
    call.attributes.as<Gelu>().tanh ? elementwise_cpu<gelu_tanh_lanes>(call) : elementwise_cpu<gelu_erf_lanes>(call);
}

}  // namespace

extern const KernelDef kGeluCpu{.op = "gelu", .run = run};

}  // namespace vitro::inline VITRO_ISA
