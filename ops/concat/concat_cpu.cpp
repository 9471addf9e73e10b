#include "ops/concat/concat.h"

namespace vitro {

const KernelDef kConcatCpu{.op = "concat", .run = [](const Call& call) { concat_by(call, copy_parallel); }};

}  // namespace vitro
