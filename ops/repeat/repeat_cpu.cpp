#include "ops/repeat/repeat.h"

namespace vitro {

const KernelDef kRepeatCpu{.op = "repeat", .run = [](const Call& call) { repeat_by(call, copy_parallel); }};

}  // namespace vitro
