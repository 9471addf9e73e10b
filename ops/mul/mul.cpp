#include "ops/mul/mul.h"

#include "ops/common/broadcast.h"

namespace vitro {
namespace {

void reference(const Call& call) {
    broadcast_reference(call, [](double x, double y) { return x * y; });
}

}  // namespace

const OpDef kMul{
    .name = "mul",
    .doc = "out = x · y, broadcast as numpy does; out has x's dtype, the product is fp32.",
    .inputs = {"x", "y"},
    .locality = Locality::elements,
    .commutes = true,
    .infer = infer_broadcast,
    .reference = reference,
    .cost = broadcast_cost,
    .examples = broadcast_examples,
    .in_place = 0,
};

Value mul(At at, Value x, Value y) { return at.apply(kMul, {x, y}); }

}  // namespace vitro
