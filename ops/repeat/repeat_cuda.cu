#include "ops/repeat/repeat.h"

#include "ops/common/copy_cuda.h"

namespace vitro::VITRO_DEVICE {

extern const KernelDef kRepeatCuda{.op = "repeat", .run = [](const Call& call) { repeat_by(call, copy_strided); }};

}  // namespace vitro::VITRO_DEVICE
