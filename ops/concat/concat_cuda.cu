#include "ops/concat/concat.h"

#include "ops/common/copy_cuda.h"

namespace vitro::VITRO_DEVICE {

extern const KernelDef kConcatCuda{.op = "concat", .run = [](const Call& call) { concat_by(call, copy_strided); }};

}  // namespace vitro::VITRO_DEVICE
