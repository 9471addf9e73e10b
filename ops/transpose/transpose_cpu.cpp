#include "backends/cpu/isa.h"
#include "ops/transpose/transpose.h"

namespace vitro::inline VITRO_ISA {

extern const KernelDef kTransposeCpu{.op = "transpose",
                                     .run = [](const Call& call) { transpose_by(call, copy_parallel); }};

}  // namespace vitro::inline VITRO_ISA
