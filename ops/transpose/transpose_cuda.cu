#include "ops/transpose/transpose.h"

#include "ops/common/copy_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

void run(const Call& call) {
    copy_strided(call, "transpose", permute(view(call.in(0)), call.attributes.as<Transpose>().permutation),
                 view(call.out()));
}

}  // namespace

extern const KernelDef kTransposeCuda{.op = "transpose", .run = run};

}  // namespace vitro::VITRO_DEVICE
