#include "ops/common/elementwise_cpu.h"
#include "ops/mul/mul.h"

namespace vitro::inline VITRO_ISA {
namespace {

simd::Floats product(simd::Floats x, simd::Floats y) { return x * y; }

}  // namespace

extern const KernelDef kMulCpu{.op = "mul", .run = broadcast_cpu<product>};

}  // namespace vitro::inline VITRO_ISA
