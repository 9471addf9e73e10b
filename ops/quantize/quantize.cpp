#include "ops/quantize/quantize.h"

#include "base/half.h"
#include "base/quantize.h"
#include "ops/common/expect.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const TensorType& x = inputs[0];
    const DType dtype = attributes.as<Quantize>().dtype;
    if (!can_quantize(dtype)) fail("dtype: expected q8_0, q4_0, q5_0, q5_1, q4_k, q5_k or q6_k, found {}", name(dtype));
    expect_float("x", x);
    const std::int64_t block = info(dtype).block_elements;
    if (x.rank() == 0 || x.dim(-1).is_symbol() || x.dim(-1).size % block != 0)
        fail("x: expected rows of whole blocks of {}, found {}", block, to_string(x));
    return {{dtype, x.shape}};
}

void reference(const Call& call) {
    const Tensor& x = call.in(0);
    std::vector<float> values(static_cast<std::size_t>(x.elements()));
    dispatch_float(x.dtype, [&]<class T>(T) {
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = float(x.as<T>()[i]);
    });
    quantize(call.out().dtype, values.data(), x.elements(), call.out().as<std::byte>());
}

std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    for (const DTypeInfo& type : kDTypes)
        if (can_quantize(type.dtype))
            all.push_back({{{DType::f32, {random.integer(1, 9), type.block_elements * random.integer(1, 4)}}},
                           Quantize{type.dtype},
                           {}});
    return all;
}

}  // namespace

const OpDef kQuantize{
    .name = "quantize",
    .doc =
        "out = x in blocks of `dtype` (q8_0, q4_0, q5_0, q5_1, q4_k, q5_k or q6_k), with scales that make the squared "
        "error small.",
    .inputs = {"x"},
    .infer = infer,
    .parse_attributes = &Attributes::parse<Quantize>,
    .reference = reference,
    .examples = examples,
};

Value quantize(At at, Value x, Quantize attributes) { return at.apply(kQuantize, {x}, attributes); }

}  // namespace vitro
