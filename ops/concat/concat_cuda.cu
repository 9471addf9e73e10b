#include "ops/concat/concat.h"

#include "ops/common/axis.h"
#include "ops/common/copy_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

void run(const Call& call) {
    const StridedView out = view(call.out());
    const int axis = resolve_axis(call.attributes.as<Concat>().axis, out.rank);
    std::int64_t begin = 0;
    for (const Tensor& x : call.inputs) {
        copy_strided(call, "concat", view(x), narrow(out, axis, begin, x.dim(axis)));
        begin += x.dim(axis);
    }
}

}  // namespace

extern const KernelDef kConcatCuda{.op = "concat", .run = run};

}  // namespace vitro::VITRO_DEVICE
