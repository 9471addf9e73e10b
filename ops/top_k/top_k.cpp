#include "ops/top_k/top_k.h"

#include "base/half.h"
#include "ops/common/elementwise.h"
#include "ops/common/expect.h"

#include <algorithm>

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const TensorType& x = inputs[0];
    const std::int64_t k = attributes.as<TopK>().k;
    expect_float("x", x);
    expect_rank_at_least("x", x, 2);
    if (x.dim(-1).is_symbol() || x.dim(-1).size < k)
        fail("x: expected rows of a constant number of elements, at least {}, found {}", k, to_string(x.dim(-1)));
    TensorType out = x;
    out.shape.back() = k;
    return {out, {DType::i32, out.shape}};
}

void reference(const Call& call) {
    const Tensor &x = call.in(0), &values = call.out(0), &indices = call.out(1);
    const std::int64_t n = x.dim(-1), k = values.dim(-1);
    dispatch_float(x.dtype, [&]<class T>(T) {
        std::vector<TopKElement> row(static_cast<std::size_t>(n));
        for (std::int64_t r = 0; r < x.rows(); ++r) {
            for (std::int64_t i = 0; i < n; ++i) row[static_cast<std::size_t>(i)] = {float(x.as<T>()[r * n + i]), i};
            std::sort(row.begin(), row.end(), is_larger);
            for (std::int64_t j = 0; j < k; ++j) {
                const std::int64_t index = row[static_cast<std::size_t>(j)].index;
                values.as<T>()[r * k + j] = x.as<T>()[r * n + index];
                indices.as<std::int32_t>()[r * k + j] = static_cast<std::int32_t>(index);
            }
        }
    });
}

Cost cost(const Call& call) {
    Cost cost = elementwise_cost(call, 0);
    cost.flops = call.in(0).elements() * call.out().dim(-1);
    return cost;
}

/// Small integers: every row has ties.
bool fill_ties(std::size_t, const Tensor& x, Random& random) {
    dispatch_float(x.dtype, [&]<class T>(T) {
        for (std::int64_t i = 0; i < x.elements(); ++i) x.as<T>()[i] = T(static_cast<float>(random.integer(-3, 3)));
    });
    return true;
}

std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    for (const Shape& shape : {Shape{'T', 1}, Shape{'T', 13}, Shape{2, 'T', 97}, Shape{3, random.integer(128, 300)}}) {
        const TopK attributes{random.integer(1, std::min<std::int64_t>(shape.back().size, 9))};
        all.push_back({{{DType::f32, shape}}, attributes, example_symbols(random)});
        all.push_back({{{DType::f32, shape}}, attributes, example_symbols(random), fill_ties});
    }
    all.push_back({{{DType::f32, {'T', 7}}}, TopK{7}, example_symbols(random)});
    return all;
}

}  // namespace

const OpDef kTopK{
    .name = "top_k",
    .doc =
        "out[0][..., j] = the j-th largest of x[..., :], out[1][..., j] = where it stands there, as i32; of equal ones "
        "the "
        "first goes first, and NaN is larger than all else.",
    .inputs = {"x"},
    .infer = infer,
    .parse_attributes = &Attributes::parse<TopK>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
};

TopKValues top_k(At at, Value x, TopK attributes) {
    const std::vector<Value> out = at.apply_all(kTopK, std::span(&x, 1), attributes);
    return {out[0], out[1]};
}

}  // namespace vitro
