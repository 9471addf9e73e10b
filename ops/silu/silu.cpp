#include "ops/silu/silu.h"

#include "ops/common/elementwise.h"

namespace vitro {
namespace {

void reference(const Call& call) {
    elementwise_reference(call, [](double x) { return x / (1 + std::exp(-x)); });
}

Cost cost(const Call& call) { return elementwise_cost(call, 4); }

}  // namespace

const OpDef kSilu{
    .name = "silu",
    .doc = "out = x * sigmoid(x) = x / (1 + exp(-x)), elementwise (also called swish).",
    .inputs = {"x"},
    .locality = Locality::elements,
    .infer = infer_elementwise,
    .reference = reference,
    .cost = cost,
    .examples = elementwise_examples,
    .in_place = 0,
};

Value silu(At at, Value x) { return at.apply(kSilu, {x}); }

}  // namespace vitro
