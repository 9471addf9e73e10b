#include "ops/common/strided.h"
#include "ops/transpose/transpose.h"

namespace vitro {
namespace {

void run(const Call& call) {
    copy_parallel(permute(view(call.in(0)), call.attributes.as<Transpose>().permutation), view(call.out()),
                  static_cast<CpuBackend&>(call.backend).pool());
}

}  // namespace

const KernelDef kTransposeCpu{.op = "transpose", .run = run};

}  // namespace vitro
