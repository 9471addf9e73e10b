#include "ops/dequantize/dequantize.h"

#include "base/blocks.h"
#include "base/random.h"
#include "ops/common/elementwise.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    const TensorType& x = inputs[0];
    if (!is_block_quantized(x.dtype)) fail("x: expected a block-quantized type, found {}", to_string(x));
    const std::int64_t block = info(x.dtype).block_elements;
    if (x.rank() == 0 || x.dim(-1).is_symbol() || x.dim(-1).size % block != 0)
        fail("x: expected a last dimension that is a multiple of {}, found {}", block, to_string(x));
    return {{DType::f32, x.shape}};
}

void reference(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    dequantize(x.dtype, x.as<const std::byte>(), x.elements(), out.as<float>());
}

std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    // Bytes this small make finite scales of every kind, wherever in a block those stand.
    const auto small = [](std::size_t, const Tensor& tensor, Random& values) {
        for (std::int64_t i = 0; i < tensor.bytes(); ++i)
            tensor.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(values.integer(0, 0x3b));
        return true;
    };
    for (const DTypeInfo& type : kDTypes) {
        if (!is_block_quantized(type.dtype)) continue;
        const std::int64_t width = type.block_elements * random.integer(1, 3);
        all.push_back({{{type.dtype, {random.integer(1, 90), width}}}, {}, {}, small});
        all.push_back({{{type.dtype, {random.integer(1, 9), 2, width}}}, {}, {}, small});
    }
    return all;
}

}  // namespace

const OpDef kDequantize{
    .name = "dequantize",
    .doc = "out = the numbers that the blocks of x stand for, in f32.",
    .inputs = {"x"},
    .infer = infer,
    .reference = reference,
    .examples = examples,
};

Value dequantize(At at, Value x) { return at.apply(kDequantize, {x}, {}); }

}  // namespace vitro
