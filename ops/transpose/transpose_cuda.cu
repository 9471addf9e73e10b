#include "ops/transpose/transpose.h"

#include "ops/common/copy_cuda.h"

namespace vitro::VITRO_DEVICE {

extern const KernelDef kTransposeCuda{.op = "transpose",
                                      .run = [](const Call& call) { transpose_by(call, copy_strided); }};

}  // namespace vitro::VITRO_DEVICE
