#include "ops/pack/pack.h"

#include "base/packed.h"
#include "ops/common/example_fill.h"
#include "ops/common/expect.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const TensorType& x = inputs[0];
    const DTypeInfo& packed = info(attributes.as<Pack>().dtype);
    if (packed.storage != Storage::packed) fail("dtype: expected a packed type, found {}", packed.name);
    expect_blocks("x", x, 2);
    if (x.dtype != packed.packs) fail("x: expected {}, found {}", name(*packed.packs), to_string(x));
    const std::int64_t columns = block_columns(packed.dtype);
    if (x.dim(0).is_symbol() || x.dim(0).size % packed.block_rows != 0 || x.dim(1).size % columns != 0)
        fail("x: expected rows that are a multiple of {} and columns of {}, found {}", packed.block_rows, columns,
             to_string(x));
    return {{packed.dtype, x.shape}};
}

void reference(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    const std::int64_t columns = x.dim(1), elements = kPackedRows * columns;
    for (std::int64_t at = 0; at < x.elements(); at += elements)
        pack_group(out.dtype, x.as<std::byte>() + bytes_of(x.dtype, at), bytes_of(x.dtype, columns), columns,
                   out.as<std::byte>() + bytes_of(out.dtype, at));
}

std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    for (const DTypeInfo& type : kDTypes)
        if (type.packs)
            all.push_back(
                {{{*type.packs,
                   {type.block_rows * random.integer(1, 9), block_columns(type.dtype) * random.integer(1, 5)}}},
                 Pack{type.dtype},
                 {},
                 fill_blocks});
    return all;
}

}  // namespace

const OpDef kPack{
    .name = "pack",
    .doc = "out = x, block-quantized weights [N, K], in a packed type: the same numbers in the order a kernel reads.",
    .inputs = {"x"},
    .infer = infer,
    .parse_attributes = &Attributes::parse<Pack>,
    .reference = reference,
    .examples = examples,
};

Value pack(At at, Value x, Pack attributes) { return at.apply(kPack, {x}, attributes); }

}  // namespace vitro
