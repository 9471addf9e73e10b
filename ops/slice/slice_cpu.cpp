#include "ops/slice/slice.h"

namespace vitro {

const KernelDef kSliceCpu{.op = "slice", .run = [](const Call& call) { slice_by(call, copy_parallel); }};

}  // namespace vitro
