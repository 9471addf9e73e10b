#include "ops/split/split.h"

#include "ops/common/axis.h"
#include "ops/common/copy_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

void run(const Call& call) {
    const auto& [axis, sizes] = call.attributes.as<Split>();
    const StridedView x = view(call.in(0));
    const int at = resolve_axis(axis, x.rank);
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < sizes.size(); begin += sizes[i++])
        copy_strided(call, "split", narrow(x, at, begin, sizes[i]), view(call.out(i)));
}

}  // namespace

extern const KernelDef kSplitCuda{.op = "split", .run = run};

}  // namespace vitro::VITRO_DEVICE
