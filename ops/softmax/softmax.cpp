#include "ops/softmax/softmax.h"

#include "ops/common/elementwise.h"
#include "ops/common/expect.h"

#include <algorithm>
#include <limits>

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    expect_float("x", inputs[0]);
    expect_rank_at_least("x", inputs[0], 1);
    return {inputs[0]};
}

template <class T>
void softmax_row(const T* x, T* out, std::int64_t n) {
    constexpr double kMasked = -std::numeric_limits<double>::infinity();
    double largest = kMasked, sum = 0;
    for (std::int64_t i = 0; i < n; ++i) largest = std::max(largest, double(float(x[i])));
    const bool masked = std::all_of(x, x + n, [](T value) { return double(float(value)) == kMasked; });
    for (std::int64_t i = 0; i < n; ++i) sum += std::exp(double(float(x[i])) - largest);
    for (std::int64_t i = 0; i < n; ++i)
        out[i] = T(masked ? 0.0f : static_cast<float>(std::exp(double(float(x[i])) - largest) / sum));
}

void reference(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    const std::int64_t n = x.dim(-1);
    dispatch_float(x.dtype, [&]<class T>(T) {
        for (std::int64_t r = 0; r < x.rows(); ++r) softmax_row(x.as<T>() + r * n, out.as<T>() + r * n, n);
    });
}

Cost cost(const Call& call) { return elementwise_cost(call, 5); }

/// Some entries are -inf, and every third row throughout.
bool fill_masked(std::size_t, const Tensor& x, Random& random) {
    const std::int64_t n = x.dim(-1);
    dispatch_float(x.dtype, [&]<class T>(T) {
        for (std::int64_t i = 0; i < x.elements(); ++i) {
            const bool masked = (i / n) % 3 == 1 || random.integer(0, 3) == 0;
            x.as<T>()[i] = T(masked ? -std::numeric_limits<float>::infinity() : 10 * random.normal());
        }
    });
    return true;
}

std::vector<Example> examples(Random& random) {
    std::vector<Example> all = elementwise_examples(random);
    all.push_back({{{DType::f32, {2, 'T', 37}}}, {}, example_symbols(random), fill_masked});
    return all;
}

}  // namespace

const OpDef kSoftmax{
    .name = "softmax",
    .doc =
        "out[..., i] = exp(x[..., i]) / sum_j exp(x[..., j]); a row of only -inf gives zeros, and a row "
        "with NaN or +inf gives NaN.",
    .inputs = {"x"},
    .locality = Locality::rows,
    .infer = infer,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .in_place = 0,
};

Value softmax(At at, Value x) { return at.apply(kSoftmax, {x}); }

}  // namespace vitro
