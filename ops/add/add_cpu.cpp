#include "ops/add/add.h"
#include "ops/common/elementwise_cpu.h"

namespace vitro::inline VITRO_ISA {
namespace {

simd::Floats sum(simd::Floats x, simd::Floats y) { return x + y; }

}  // namespace

extern const KernelDef kAddCpu{.op = "add", .run = broadcast_cpu<sum>};

}  // namespace vitro::inline VITRO_ISA
