#include "ops/slice/slice.h"

#include "ops/common/axis.h"
#include "ops/common/copy_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

void run(const Call& call) {
    const auto& [axis, begin, end] = call.attributes.as<Slice>();
    const StridedView x = view(call.in(0));
    copy_strided(call, "slice", narrow(x, resolve_axis(axis, x.rank), begin, end - begin), view(call.out()));
}

}  // namespace

extern const KernelDef kSliceCuda{.op = "slice", .run = run};

}  // namespace vitro::VITRO_DEVICE
