#include "ops/cast/cast.h"

#include "ops/common/dequantize.h"
#include "ops/common/elementwise.h"
#include "ops/common/expect.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const TensorType& x = inputs[0];
    if (is_block_quantized(x.dtype))
        expect_blocks("x", x, x.rank());
    else if (x.dtype != DType::i32 && !is_stored_float(x.dtype))
        fail("x: expected a float, i32 or a block-quantized type, found {}: dequantize takes the others", to_string(x));
    return {{attributes.as<Cast>().dtype, x.shape}};
}

void reference(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    if (is_block_quantized(x.dtype))
        return dispatch_float(
            out.dtype, [&]<class Out>(Out) { dequantize_to(x.dtype, x.as<std::byte>(), x.elements(), out.as<Out>()); });
    dispatch(x.dtype, [&]<class X>(X) {
        dispatch_float(out.dtype, [&]<class Out>(Out) {
            for (std::int64_t i = 0; i < x.elements(); ++i) out.as<Out>()[i] = Out(float(x.as<X>()[i]));
        });
    });
}

std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
        for (Example& example : elementwise_examples(random)) {
            example.attributes = Cast{dtype};
            all.push_back(std::move(example));
        }
    const auto integers = [](std::size_t, const Tensor& tensor, Random& values) {
        for (std::int64_t i = 0; i < tensor.elements(); ++i)
            tensor.as<std::int32_t>()[i] = static_cast<std::int32_t>(values.integer(-100000, 100000));
        return true;
    };
    all.push_back({{{DType::i32, {'T'}}}, Cast{DType::f32}, example_symbols(random), integers});
    return all;
}

}  // namespace

const OpDef kCast{
    .name = "cast",
    .doc = "out = x in another float dtype, rounded to nearest even; x may also be i32 or block-quantized.",
    .inputs = {"x"},
    .locality = Locality::elements,
    .infer = infer,
    .is_identity = keeps_type,
    .parse_attributes = &Attributes::parse<Cast>,
    .reference = reference,
    .examples = examples,
    .in_place = 0,
};

Value cast(At at, Value x, Cast attributes) { return at.apply(kCast, {x}, attributes); }

}  // namespace vitro
