#include "ops/add_mask/add_mask.h"

#include "ops/common/broadcast.h"

namespace vitro {
namespace {

void reference(const Call& call) {
    broadcast_reference(call, [](double x, double mask) { return mask == double(kMasked) ? mask : x + mask; });
}

/// A third of the mask is -inf.
bool fill(std::size_t input, const Tensor& tensor, Random& random) {
    if (input != 1) return false;
    dispatch_float(tensor.dtype, [&]<class T>(T) {
        for (std::int64_t i = 0; i < tensor.elements(); ++i)
            tensor.as<T>()[i] = T(random.integer(0, 2) == 0 ? kMasked : random.normal());
    });
    return true;
}

std::vector<Example> examples(Random& random) {
    std::vector<Example> all = broadcast_examples(random);
    for (Example& each : all) each.fill = fill;
    return all;
}

}  // namespace

const OpDef kAddMask{
    .name = "add_mask",
    .doc =
        "out = x + mask, broadcast as numpy does; where the mask is -inf, out is -inf for every x, even NaN: a masked "
        "element never has an effect. out has x's dtype, the sum is fp32.",
    .inputs = {"x", "mask"},
    .locality = Locality::elements,
    .infer = infer_broadcast,
    .reference = reference,
    .cost = broadcast_cost,
    .examples = examples,
    .in_place = 0,
};

Value add_mask(At at, Value x, Value mask) { return at.apply(kAddMask, {x, mask}); }

}  // namespace vitro
