#include "backends/cpu/cpu_backend.h"
#include "base/half.h"
#include "ops/add/add.h"
#include "ops/common/broadcast.h"

namespace vitro {
namespace {

void run(const Call& call) {
    const Tensor &x = call.in(0), &y = call.in(1), &out = call.out();
    const BroadcastWalk walk(x, y, out);
    auto& pool = static_cast<CpuBackend&>(call.backend).pool();
    dispatch_float(x.dtype, [&]<class X>(X) {
        dispatch_float(y.dtype, [&]<class Y>(Y) {
            const std::int64_t grain = std::max<std::int64_t>(1, 16384 / walk.inner);
            pool.parallel_for(out.rows(), grain, [&](std::int64_t begin, std::int64_t end, int) {
                for (std::int64_t r = begin; r < end; ++r) {
                    const auto at = walk.row(r);
                    const X* a = x.as<X>() + at.x;
                    const Y* b = y.as<Y>() + at.y;
                    X* o = out.as<X>() + r * walk.inner;
                    for (std::int64_t i = 0; i < walk.inner; ++i)
                        o[i] = X(float(a[i * walk.x_step]) + float(b[i * walk.y_step]));
                }
            });
        });
    });
}

}  // namespace

const KernelDef kAddCpu{.op = "add", .run = run};

}  // namespace vitro
