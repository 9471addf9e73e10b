#include "ops/embed/embed.h"

#include "base/half.h"
#include "ops/common/dequantize.h"
#include "ops/common/elementwise.h"
#include "ops/common/example_fill.h"
#include "ops/common/expect.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const TensorType &tokens = inputs[0], &table = inputs[1];
    expect_i32("tokens", tokens, 1);
    is_block_quantized(table.dtype) ? expect_blocks("table", table, 2) : expect_float("table", table, 2);
    const DType dtype = attributes.as<Embed>().dtype;
    return {{dtype, {tokens.dim(0), table.dim(1)}}};
}

void reference(const Call& call) {
    const Tensor &tokens = call.in(0), &table = call.in(1), &out = call.out();
    const std::int64_t n = table.dim(1);
    if (is_block_quantized(table.dtype))
        return dispatch_float(out.dtype, [&]<class Out>(Out) {
            for (std::int64_t t = 0; t < tokens.dim(0); ++t)
                dequantize_to(table.dtype,
                              table.as<std::byte>() + bytes_of(table.dtype, tokens.as<std::int32_t>()[t] * n), n,
                              out.as<Out>() + t * n);
        });
    dispatch_float(table.dtype, [&]<class Table>(Table) {
        dispatch_float(out.dtype, [&]<class Out>(Out) {
            for (std::int64_t t = 0; t < tokens.dim(0); ++t)
                for (std::int64_t i = 0; i < n; ++i)
                    out.as<Out>()[t * n + i] = Out(float(table.as<Table>()[tokens.as<std::int32_t>()[t] * n + i]));
        });
    });
}

/// Of the table only the rows asked for are read.
Cost cost(const Call& call) {
    const Tensor &tokens = call.in(0), &table = call.in(1), &out = call.out();
    return {tokens.bytes() + bytes_of(table.dtype, out.elements()) + out.bytes(), 0};
}

std::vector<Example> examples(Random& random) {
    const std::int64_t vocabulary = random.integer(1, 300);
    const auto tokens = [vocabulary](std::size_t index, const Tensor& tensor, Random& values) {
        if (index != 0) return false;
        for (std::int64_t t = 0; t < tensor.elements(); ++t)
            tensor.as<std::int32_t>()[t] = static_cast<std::int32_t>(values.integer(0, vocabulary - 1));
        return true;
    };
    std::vector<Example> all;
    for (const DType dtype : {DType::f32, DType::f16, DType::bf16})
        for (const std::int64_t hidden : {1, 64, 131})
            all.push_back({{{DType::i32, {'T'}}, {DType::f32, {vocabulary, hidden}}},
                           Embed{dtype},
                           example_symbols(random),
                           tokens});
    for (const DTypeInfo& type : kDTypes) {
        if (type.storage != Storage::blocks) continue;
        const std::int64_t hidden = type.block_elements * random.integer(1, 3);
        all.push_back({{{DType::i32, {'T'}}, {type.dtype, {vocabulary, hidden}}},
                       Embed{random.integer(0, 1) == 0 ? DType::f32 : DType::bf16},
                       example_symbols(random),
                       [tokens](std::size_t index, const Tensor& tensor, Random& values) {
                           return index == 0 ? tokens(index, tensor, values) : fill_blocks(index, tensor, values);
                       }});
    }
    return all;
}

}  // namespace

const OpDef kEmbed{
    .name = "embed",
    .doc = "out[t, :] = table[tokens[t], :] in `dtype`, a float one; tokens are in [0, table's rows).",
    .inputs = {{"tokens", InputRole::rows, "table"}, {"table", InputRole::shared}},
    .infer = infer,
    .parse_attributes = &Attributes::parse<Embed>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
};

Value embed(At at, Value tokens, Value table, Embed attributes) {
    return at.apply(kEmbed, {tokens, table}, attributes);
}

}  // namespace vitro
