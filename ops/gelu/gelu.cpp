#include "ops/gelu/gelu.h"

#include "ops/common/elementwise.h"

#include <numbers>

namespace vitro {
namespace {

void reference(const Call& call) {
    if (call.attributes.as<Gelu>().tanh) {
        const double scale = std::sqrt(2 / std::numbers::pi);
        elementwise_reference(call,
                              [&](double x) { return x / 2 * (1 + std::tanh(scale * (x + 0.044715 * x * x * x))); });
    } else {
        elementwise_reference(call, [](double x) { return x / 2 * std::erfc(-x / std::numbers::sqrt2); });
    }
}

Cost cost(const Call& call) { return elementwise_cost(call, 10); }

std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    for (const bool tanh : {false, true})
        for (Example& example : elementwise_examples(random)) {
            example.attributes = Gelu{tanh};
            all.push_back(std::move(example));
        }
    return all;
}

}  // namespace

const OpDef kGelu{
    .name = "gelu",
    .doc =
        "out = x / 2 * (1 + erf(x / sqrt(2))), elementwise; with `tanh`: "
        "x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))).",
    .inputs = {"x"},
    .locality = Locality::elements,
    .infer = infer_elementwise,
    .parse_attributes = &Attributes::parse<Gelu>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .in_place = 0,
};

Value gelu(At at, Value x, Gelu attributes) { return at.apply(kGelu, {x}, attributes); }

}  // namespace vitro
