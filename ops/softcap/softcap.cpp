#include "ops/softcap/softcap.h"

#include "ops/common/elementwise.h"

namespace vitro {
namespace {

void reference(const Call& call) {
    const double cap = call.attributes.as<Softcap>().cap;
    elementwise_reference(call, [&](double x) { return cap * std::tanh(x / cap); });
}

Cost cost(const Call& call) { return elementwise_cost(call, 6); }

std::vector<Example> examples(Random& random) {
    std::vector<Example> all = elementwise_examples(random);
    for (std::size_t i = 0; i < all.size(); ++i) all[i].attributes = Softcap{i % 2 == 0 ? 30.0f : 0.5f};
    return all;
}

}  // namespace

const OpDef kSoftcap{
    .name = "softcap",
    .doc = "out = cap * tanh(x / cap), elementwise: nearly x where |x| is small, and never above cap or below -cap.",
    .inputs = {"x"},
    .locality = Locality::elements,
    .infer = infer_elementwise,
    .parse_attributes = &Attributes::parse<Softcap>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .in_place = 0,
};

Value softcap(At at, Value x, Softcap attributes) { return at.apply(kSoftcap, {x}, attributes); }

}  // namespace vitro
