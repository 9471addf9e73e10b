#include "ops/common/axis.h"
#include "ops/common/strided.h"
#include "ops/concat/concat.h"

namespace vitro {
namespace {

void run(const Call& call) {
    const StridedView out = view(call.out());
    const int axis = resolve_axis(call.attributes.as<Concat>().axis, out.rank);
    std::int64_t begin = 0;
    for (const Tensor& x : call.inputs) {
        copy_parallel(call, view(x), narrow(out, axis, begin, x.dim(axis)));
        begin += x.dim(axis);
    }
}

}  // namespace

const KernelDef kConcatCpu{.op = "concat", .run = run};

}  // namespace vitro
