#include "ops/argmax/argmax.h"

#include "base/half.h"
#include "ops/common/elementwise.h"
#include "ops/common/expect.h"

#include <limits>

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    const TensorType& x = inputs[0];
    expect_float("x", x);
    expect_rank_at_least("x", x, 2);
    return {{DType::i32, Shape(x.shape.begin(), x.shape.end() - 1)}};
}

void reference(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    const std::int64_t n = x.dim(-1);
    dispatch_float(x.dtype, [&]<class T>(T) {
        for (std::int64_t r = 0; r < x.rows(); ++r) {
            float largest = -std::numeric_limits<float>::infinity();
            std::int64_t index = 0;
            for (std::int64_t i = 0; i < n; ++i) {
                const auto value = float(x.as<T>()[r * n + i]);
                if (value > largest || (value != value && largest == largest)) largest = value, index = i;
            }
            out.as<std::int32_t>()[r] = static_cast<std::int32_t>(index);
        }
    });
}

Cost cost(const Call& call) {
    Cost cost = elementwise_cost(call, 0);
    cost.flops = call.in(0).elements();
    return cost;
}

/// Small integers: every row has ties.
bool fill_ties(std::size_t, const Tensor& x, Random& random) {
    dispatch_float(x.dtype, [&]<class T>(T) {
        for (std::int64_t i = 0; i < x.elements(); ++i) x.as<T>()[i] = T(static_cast<float>(random.integer(-9, 9)));
    });
    return true;
}

std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    const std::int64_t wide = random.integer(1000, 40000);
    for (const Shape& shape : {Shape{'T', 1}, Shape{'T', 13}, Shape{2, 'T', 97}, Shape{2, wide}}) {
        all.push_back({{{DType::f32, shape}}, {}, example_symbols(random)});
        all.push_back({{{DType::f32, shape}}, {}, example_symbols(random), fill_ties});
    }
    return all;
}

}  // namespace

const OpDef kArgmax{
    .name = "argmax",
    .doc =
        "out[...] = index of the largest element of x[..., :], the first of equal ones, as i32; NaN counts as the "
        "largest.",
    .inputs = {"x"},
    .infer = infer,
    .reference = reference,
    .cost = cost,
    .examples = examples,
};

Value argmax(At at, Value x) { return at.apply(kArgmax, {x}); }

}  // namespace vitro
