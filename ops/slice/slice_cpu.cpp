#include "ops/common/axis.h"
#include "ops/common/strided.h"
#include "ops/slice/slice.h"

namespace vitro {
namespace {

void run(const Call& call) {
    const auto& [axis, begin, end] = call.attributes.as<Slice>();
    const StridedView x = view(call.in(0));
    copy_parallel(call, narrow(x, resolve_axis(axis, x.rank), begin, end - begin), view(call.out()));
}

}  // namespace

const KernelDef kSliceCpu{.op = "slice", .run = run};

}  // namespace vitro
