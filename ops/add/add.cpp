#include "ops/add/add.h"

#include "base/half.h"
#include "ops/common/broadcast.h"

namespace vitro {
namespace {

void reference(const Call& call) {
    const Tensor &x = call.in(0), &y = call.in(1), &out = call.out();
    const BroadcastWalk walk(x, y, out);
    dispatch_float(x.dtype, [&]<class X>(X) {
        dispatch_float(y.dtype, [&]<class Y>(Y) {
            for (std::int64_t r = 0; r < out.rows(); ++r) {
                const auto at = walk.row(r);
                for (std::int64_t i = 0; i < walk.inner; ++i)
                    out.as<X>()[r * walk.inner + i] =
                        X(float(x.as<X>()[at.x + i * walk.x_step]) + float(y.as<Y>()[at.y + i * walk.y_step]));
            }
        });
    });
}

}  // namespace

const OpDef kAdd{
    .name = "add",
    .doc = "out = x + y, broadcast as numpy does; out has x's dtype, the sum is fp32.",
    .inputs = {"x", "y"},
    .infer = infer_broadcast,
    .reference = reference,
    .examples = broadcast_examples,
    .in_place = 0,
};

Value add(At at, Value x, Value y) { return at.apply(kAdd, {x, y}); }

}  // namespace vitro
