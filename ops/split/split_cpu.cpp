#include "ops/split/split.h"

namespace vitro {

const KernelDef kSplitCpu{.op = "split", .run = [](const Call& call) { split_by(call, copy_parallel); }};

}  // namespace vitro
