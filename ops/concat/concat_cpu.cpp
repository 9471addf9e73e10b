#include "backends/cpu/isa.h"
#include "ops/concat/concat.h"

namespace vitro::inline VITRO_ISA {

extern const KernelDef kConcatCpu{.op = "concat", .run = [](const Call& call) { concat_by(call, copy_parallel); }};

}  // namespace vitro::inline VITRO_ISA
