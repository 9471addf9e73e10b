#include "ops/add_rms_norm/add_rms_norm.h"

#include "ops/add/add.h"
#include "ops/common/elementwise.h"
#include "ops/common/norm.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    const TensorType& x = inputs[0];
    expect_float("x", x);
    expect_rank_at_least("x", x, 1);
    if (inputs[1] != x) fail("y: expected {} as x, found {}", to_string(x), to_string(inputs[1]));
    expect_row_of(x, "weight", inputs[2]);
    return {x, x};
}

/// By the references of both.
void reference(const Call& call) {
    const Tensor &sum = call.out(0), &normed = call.out(1), inputs[] = {sum, call.in(2)};
    const Attributes none;
    kAdd.reference({call.inputs.first(2), {&sum, 1}, none, call.backend});
    kRmsNorm.reference({inputs, {&normed, 1}, call.attributes, call.backend});
}

Cost cost(const Call& call) { return elementwise_cost(call, 5); }

std::vector<Example> examples(Random& random) {
    std::vector<Example> all = kRmsNorm.examples(random);
    for (Example& example : all) example.inputs.insert(example.inputs.begin(), example.inputs.front());
    return all;
}

std::vector<Value> decompose(Builder& b, std::span<const Value> inputs, const Attributes& attributes) {
    const Value sum = add(b, inputs[0], inputs[1]);
    return {sum, rms_norm(b, sum, inputs[2], attributes.as<RmsNorm>())};
}

}  // namespace

const OpDef kAddRmsNorm{
    .name = "add_rms_norm",
    .doc = "out 0 = x + y, rounded to their type; out 1 = rms_norm(out 0, weight).",
    .inputs = {"x", "y", {"weight", InputRole::shared}},
    .locality = Locality::rows,
    .infer = infer,
    .parse_attributes = &Attributes::parse<RmsNorm>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .in_place = 0,
    .decompose = decompose,
};

AddRmsNormed add_rms_norm(At at, Value x, Value y, Value weight, RmsNorm attributes) {
    const Value inputs[] = {x, y, weight};
    const std::vector<Value> out = at.apply_all(kAddRmsNorm, inputs, attributes);
    return {out[0], out[1]};
}

}  // namespace vitro
