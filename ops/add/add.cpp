#include "ops/add/add.h"

#include "ops/common/broadcast.h"

namespace vitro {
namespace {

void reference(const Call& call) {
    broadcast_reference(call, [](double x, double y) { return x + y; });
}

}  // namespace

const OpDef kAdd{
    .name = "add",
    .doc = "out = x + y, broadcast as numpy does; out has x's dtype, the sum is fp32.",
    .inputs = {"x", "y"},
    .locality = Locality::elements,
    .commutes = true,
    .infer = infer_broadcast,
    .reference = reference,
    .cost = broadcast_cost,
    .examples = broadcast_examples,
    .in_place = 0,
};

Value add(At at, Value x, Value y) { return at.apply(kAdd, {x, y}); }

}  // namespace vitro
