#include "ops/dequantize/dequantize.h"

#include "base/packed.h"
#include "ops/common/example_fill.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    const TensorType& x = inputs[0];
    const std::int64_t columns = block_columns(x.dtype);
    if (columns == 1) fail("x: expected a type of blocks, found {}", to_string(x));
    if (x.rank() == 0 || x.dim(-1).is_symbol() || x.dim(-1).size % columns != 0)
        fail("x: expected a last dimension that is a multiple of {}, found {}", columns, to_string(x));
    return {{DType::f32, x.shape}};
}

void reference(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    dequantize_matrix(x.dtype, x.as<const std::byte>(), x.rows(), x.dim(-1), out.as<float>());
}

std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    for (const DTypeInfo& type : kDTypes) {
        if (type.storage == Storage::plain) continue;
        const std::int64_t width = block_columns(type.dtype) * random.integer(1, 3);
        all.push_back({{{type.dtype, {type.block_rows * random.integer(1, 90), width}}}, {}, {}, fill_blocks});
        if (type.block_rows == 1)
            all.push_back({{{type.dtype, {random.integer(1, 9), 2, width}}}, {}, {}, fill_blocks});
    }
    return all;
}

}  // namespace

const OpDef kDequantize{
    .name = "dequantize",
    .doc =
        "out = the numbers that the blocks of x stand for, in f32. x: weights in blocks, packed or not, or activations "
        "rounded to 8 bits.",
    .inputs = {"x"},
    .infer = infer,
    .reference = reference,
    .examples = examples,
};

Value dequantize(At at, Value x) { return at.apply(kDequantize, {x}, {}); }

}  // namespace vitro
