#include "ops/softmax/softmax.h"

#include "base/half.h"
#include "ops/common/elementwise.h"
#include "ops/common/expect.h"

#include <algorithm>
#include <limits>

namespace vitro {
namespace {

constexpr double kNoSink = -std::numeric_limits<double>::infinity();

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    expect_float("x", inputs[0]);
    expect_rank_at_least("x", inputs[0], 1);
    const TensorType& sink = inputs[Softmax::kSink];
    if (!sink.absent) {
        expect_rank_at_least("x", inputs[0], 2);
        if (!is_float(sink.dtype) || sink.shape != Shape{inputs[0].dim(0)})
            fail("sink: expected a float {}, found {}", to_string(Shape{inputs[0].dim(0)}), to_string(sink));
    }
    return {inputs[0]};
}

template <class T>
void softmax_row(const T* x, T* out, std::int64_t n, double sink) {
    double largest = sink, sum = 0;
    for (std::int64_t i = 0; i < n; ++i) largest = std::max(largest, double(float(x[i])));
    const bool masked =
        sink == kNoSink && std::all_of(x, x + n, [](T value) { return double(float(value)) == kNoSink; });
    if (!masked) sum = std::exp(sink - largest);
    for (std::int64_t i = 0; i < n; ++i) sum += std::exp(double(float(x[i])) - largest);
    for (std::int64_t i = 0; i < n; ++i)
        out[i] = T(masked ? 0.0f : static_cast<float>(std::exp(double(float(x[i])) - largest) / sum));
}

void reference(const Call& call) {
    const Tensor &x = call.in(0), &out = call.out();
    const std::int64_t n = x.dim(-1);
    std::vector<double> sinks;
    if (call.has(Softmax::kSink))
        dispatch_float(call.in(Softmax::kSink).dtype, [&]<class S>(S) {
            for (std::int64_t i = 0; i < x.dim(0); ++i) sinks.push_back(float(call.in(Softmax::kSink).as<S>()[i]));
        });
    dispatch_float(x.dtype, [&]<class T>(T) {
        for (std::int64_t r = 0; r < x.rows(); ++r) {
            const double sink = sinks.empty() ? kNoSink : sinks[static_cast<std::size_t>(r / (x.rows() / x.dim(0)))];
            softmax_row(x.as<T>() + r * n, out.as<T>() + r * n, n, sink);
        }
    });
}

Cost cost(const Call& call) { return elementwise_cost(call, 5); }

/// Some entries are -inf, and every third row throughout.
bool fill_masked(std::size_t input, const Tensor& x, Random& random) {
    if (input == Softmax::kSink) return false;
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
    all.push_back({{{DType::f32, {3, 'T', 41}}, {DType::f32, {3}}}, {}, example_symbols(random), fill_masked});
    all.push_back({{{DType::f32, {'T', 64}}, {DType::f32, {'T'}}}, {}, example_symbols(random)});
    return all;
}

}  // namespace

const OpDef kSoftmax{
    .name = "softmax",
    .doc =
        "out[..., i] = exp(x[..., i]) / sum_j exp(x[..., j]); a row of only -inf gives zeros, and a row with NaN or "
        "+inf gives NaN. With a sink, [x's first size], exp(sink[h]) is one more term of the sum for the rows of x[h].",
    .inputs = {"x", InputDef("sink", InputRole::shared).optional()},
    .locality = Locality::rows,
    .infer = infer,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .in_place = 0,
};

Value softmax(At at, Value x, Value sink) { return at.apply(kSoftmax, {x, sink}); }

}  // namespace vitro
