#include "ops/common/elementwise_cpu.h"
#include "ops/gelu/gelu.h"

namespace vitro {
namespace {

/// x · Φ(x) with Φ from erfc of |x|, which keeps its relative error in the tail where 1 + erf cancels.
simd::Floats gelu_erf(simd::Floats x) {
    const simd::Floats magnitude = x < 0.0f ? -x : x;
    const simd::Floats tail = 0.5f * simd::erfc(magnitude * 0.707106781f);
    return x * (x < 0.0f ? tail : 1.0f - tail);
}

/// (1 + tanh(u)) / 2 = 1 / (1 + e^-2u).
simd::Floats gelu_tanh(simd::Floats x) {
    const simd::Floats twice_u = 1.59576912f * (x + 0.044715f * x * x * x);
    return x / (1.0f + simd::exp(-twice_u));
}

void run(const Call& call) {
    call.attributes.as<Gelu>().tanh ? elementwise_cpu<gelu_tanh>(call) : elementwise_cpu<gelu_erf>(call);
}

}  // namespace

const KernelDef kGeluCpu{.op = "gelu", .run = run};

}  // namespace vitro
