#include "ops/gather_rows/gather_rows.h"

#include "ops/common/axis.h"
#include "ops/common/elementwise.h"
#include "ops/common/expect.h"

#include <cstring>

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    const TensorType &x = inputs[0], &rows = inputs[1];
    expect_rank_at_least("x", x, 1);
    expect_i32("rows", rows, 1);
    expect_whole_rows(x, 0);
    TensorType out = x;
    out.shape[0] = rows.dim(0);
    return {std::move(out)};
}

void reference(const Call& call) {
    const Tensor &x = call.in(0), &rows = call.in(1), &out = call.out();
    const auto bytes = static_cast<std::size_t>(bytes_of(x.dtype, x.count(1, x.rank)));
    for (std::int64_t r = 0; r < rows.dim(0); ++r)
        std::memcpy(out.as<std::byte>() + static_cast<std::size_t>(r) * bytes,
                    x.as<std::byte>() + static_cast<std::size_t>(rows.as<std::int32_t>()[r]) * bytes, bytes);
}

/// Of x only the rows asked for are read.
Cost cost(const Call& call) { return {call.in(1).bytes() + 2 * call.out().bytes(), 0}; }

std::vector<Example> examples(Random& random) {
    SymbolValues symbols = example_symbols(random);
    symbols['R'] = random.integer(1, 9);
    const auto rows = [count = symbols['T']](std::size_t index, const Tensor& tensor, Random& values) {
        if (index != 1) return false;
        for (std::int64_t r = 0; r < tensor.elements(); ++r)
            tensor.as<std::int32_t>()[r] = static_cast<std::int32_t>(values.integer(0, count - 1));
        return true;
    };
    const TensorType indices{DType::i32, {'R'}};
    return {{{{DType::f32, {'T', 77}}, indices}, {}, symbols, rows},
            {{{DType::f32, {'T'}}, indices}, {}, symbols, rows},
            {{{DType::f32, {'T', 3, 5000}}, indices}, {}, symbols, rows}};
}

}  // namespace

const OpDef kGatherRows{
    .name = "gather_rows",
    .doc = "out[r, ...] = x[rows[r], ...]; rows are in [0, x's first size).",
    .inputs = {"x", {"rows", InputRole::rows, "x"}},
    .locality = Locality::moves,
    .infer = infer,
    .reference = reference,
    .cost = cost,
    .examples = examples,
};

Value gather_rows(At at, Value x, Value rows) { return at.apply(kGatherRows, {x, rows}); }

}  // namespace vitro
