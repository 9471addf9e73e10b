#include "ops/transpose/transpose.h"

namespace vitro {

const KernelDef kTransposeCpu{.op = "transpose", .run = [](const Call& call) { transpose_by(call, copy_parallel); }};

}  // namespace vitro
