#include "ops/add/add.h"
#include "ops/common/elementwise_cpu.h"

namespace vitro {
namespace {

simd::Floats sum(simd::Floats x, simd::Floats y) { return x + y; }

}  // namespace

const KernelDef kAddCpu{.op = "add", .run = broadcast_cpu<sum>};

}  // namespace vitro
