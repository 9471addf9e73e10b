#include "ops/clamp/clamp.h"

#include "ops/common/elementwise.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const auto& clamp = attributes.as<Clamp>();
    if (clamp.low > clamp.high) fail("low: expected at most high ({}), found {}", clamp.high, clamp.low);
    return infer_elementwise(inputs, attributes);
}

void reference(const Call& call) {
    const double low = call.attributes.as<Clamp>().low, high = call.attributes.as<Clamp>().high;
    elementwise_reference(call, [&](double x) { return x < low ? low : x > high ? high : x; });
}

Cost cost(const Call& call) { return elementwise_cost(call, 2); }

std::vector<Example> examples(Random& random) {
    std::vector<Example> all = elementwise_examples(random);
    for (std::size_t i = 0; i < all.size(); ++i) all[i].attributes = i % 2 == 0 ? Clamp{-0.5f, 1.0f} : Clamp{.high = 0};
    return all;
}

}  // namespace

const OpDef kClamp{
    .name = "clamp",
    .doc = "out = low where x < low, high where x > high, else x, elementwise.",
    .inputs = {"x"},
    .locality = Locality::elements,
    .infer = infer,
    .parse_attributes = &Attributes::parse<Clamp>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .in_place = 0,
};

Value clamp(At at, Value x, Clamp attributes) { return at.apply(kClamp, {x}, attributes); }

}  // namespace vitro
