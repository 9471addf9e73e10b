#include "backends/cpu/isa.h"
#include "ops/repeat/repeat.h"

namespace vitro::inline VITRO_ISA {

extern const KernelDef kRepeatCpu{.op = "repeat", .run = [](const Call& call) { repeat_by(call, copy_parallel); }};

}  // namespace vitro::inline VITRO_ISA
