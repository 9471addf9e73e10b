#include "ops/common/elementwise_cpu.h"
#include "ops/silu/silu.h"

namespace vitro {
namespace {

simd::Floats silu_lanes(simd::Floats x) { return x / (1.0f + simd::exp(-x)); }

}  // namespace

const KernelDef kSiluCpu{.op = "silu", .run = elementwise_cpu<silu_lanes>};

}  // namespace vitro
