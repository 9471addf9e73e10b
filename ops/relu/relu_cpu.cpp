#include "ops/common/elementwise_cpu.h"
#include "ops/relu/relu.h"

namespace vitro {
namespace {

simd::Floats relu_lanes(simd::Floats x) { return x < 0.0f ? simd::Floats{} : x; }

}  // namespace

const KernelDef kReluCpu{.op = "relu", .run = elementwise_cpu<relu_lanes>};

}  // namespace vitro
