#include "ops/common/strided.h"
#include "ops/transpose/transpose.h"

namespace vitro {
namespace {

void run(const Call& call) {
    copy_parallel(call, permute(view(call.in(0)), call.attributes.as<Transpose>().permutation), view(call.out()));
}

}  // namespace

const KernelDef kTransposeCpu{.op = "transpose", .run = run};

}  // namespace vitro
