#include "backends/cpu/isa.h"
#include "ops/split/split.h"

namespace vitro::inline VITRO_ISA {

extern const KernelDef kSplitCpu{.op = "split", .run = [](const Call& call) { split_by(call, copy_parallel); }};

}  // namespace vitro::inline VITRO_ISA
