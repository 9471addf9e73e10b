#include "ops/split/split.h"

#include "ops/common/copy_cuda.h"

namespace vitro::VITRO_DEVICE {

extern const KernelDef kSplitCuda{.op = "split", .run = [](const Call& call) { split_by(call, copy_strided); }};

}  // namespace vitro::VITRO_DEVICE
