#include "ops/add_mask/add_mask.h"
#include "ops/common/elementwise_cpu.h"

namespace vitro::inline VITRO_ISA {
namespace {

simd::Floats masked_sum(simd::Floats x, simd::Floats mask) { return mask == kMasked ? mask : x + mask; }

}  // namespace

extern const KernelDef kAddMaskCpu{.op = "add_mask", .run = broadcast_cpu<masked_sum>};

}  // namespace vitro::inline VITRO_ISA
