#include "ops/slice/slice.h"

#include "ops/common/copy_cuda.h"

namespace vitro::VITRO_DEVICE {

extern const KernelDef kSliceCuda{.op = "slice", .run = [](const Call& call) { slice_by(call, copy_strided); }};

}  // namespace vitro::VITRO_DEVICE
