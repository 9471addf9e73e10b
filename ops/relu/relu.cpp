#include "ops/relu/relu.h"

#include "ops/common/elementwise.h"

namespace vitro {
namespace {

void reference(const Call& call) {
    elementwise_reference(call, [](double x) { return x < 0 ? 0 : x; });
}

Cost cost(const Call& call) { return elementwise_cost(call, 1); }

}  // namespace

const OpDef kRelu{
    .name = "relu",
    .doc = "out = max(x, 0), elementwise.",
    .inputs = {"x"},
    .locality = Locality::elements,
    .infer = infer_elementwise,
    .reference = reference,
    .cost = cost,
    .examples = elementwise_examples,
    .in_place = 0,
};

Value relu(At at, Value x) { return at.apply(kRelu, {x}); }

}  // namespace vitro
