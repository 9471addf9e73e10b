#include "ops/repeat/repeat.h"

#include "ops/common/axis.h"
#include "ops/common/copy_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

void run(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    const auto& [axis, times] = call.attributes.as<Repeat>();
    const int at = resolve_axis(axis, x.rank);
    const std::int64_t outer = x.count(0, at), size = x.dim(at), inner = x.count(at + 1, x.rank);
    // [outer, size, times, inner] on both sides; x stands still along `times`.
    const StridedView from{x.dtype, 4, {outer, size, times, inner}, {size * inner, inner, 0, 1}, x.data};
    StridedView to = from;
    to.strides = {size * times * inner, times * inner, inner, 1};
    to.data = out.data;
    copy_strided(call, "repeat", from, to);
}

}  // namespace

extern const KernelDef kRepeatCuda{.op = "repeat", .run = run};

}  // namespace vitro::VITRO_DEVICE
