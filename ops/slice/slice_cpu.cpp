#include "backends/cpu/isa.h"
#include "ops/slice/slice.h"

namespace vitro::inline VITRO_ISA {

extern const KernelDef kSliceCpu{.op = "slice", .run = [](const Call& call) { slice_by(call, copy_parallel); }};

}  // namespace vitro::inline VITRO_ISA
