#include "ops/rms_norm/rms_norm.h"

#include "base/half.h"
#include "ops/common/elementwise.h"
#include "ops/common/norm.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    expect_float("x", inputs[0]);
    expect_rank_at_least("x", inputs[0], 1);
    expect_row_of(inputs[0], "weight", inputs[1]);
    return {inputs[0]};
}

void reference(const Call& call) {
    const Tensor &x = call.in(0), &weight = call.in(1), &out = call.out();
    const std::int64_t n = x.dim(-1);
    const double eps = call.attributes.as<RmsNorm>().eps;
    dispatch_float(x.dtype, [&]<class X>(X) {
        dispatch_float(weight.dtype, [&]<class W>(W) {
            for (std::int64_t r = 0; r < x.rows(); ++r) {
                const X* row = x.as<X>() + r * n;
                double squares = 0;
                for (std::int64_t i = 0; i < n; ++i) squares += double(float(row[i])) * double(float(row[i]));
                const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + eps);
                for (std::int64_t i = 0; i < n; ++i)
                    out.as<X>()[r * n + i] =
                        X(static_cast<float>(float(row[i]) * scale * double(float(weight.as<W>()[i]))));
            }
        });
    });
}

Cost cost(const Call& call) { return elementwise_cost(call, 4); }

std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    float eps = 1e-5f;
    for (Shape& shape : example_shapes()) {
        const TensorType weight{DType::f32, {shape.back()}};
        all.push_back({{{DType::f32, std::move(shape)}, weight}, RmsNorm{eps}, example_symbols(random)});
        eps *= 10;
    }
    return all;
}

}  // namespace

const OpDef kRmsNorm{
    .name = "rms_norm",
    .doc = "out[..., i] = x[..., i] / sqrt(mean_j x[..., j]^2 + eps) * weight[i], in fp32, rounded once to x's dtype.",
    .inputs = {"x", {"weight", InputRole::shared}},
    .locality = Locality::rows,
    .infer = infer,
    .parse_attributes = &Attributes::parse<RmsNorm>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .in_place = 0,
};

Value rms_norm(At at, Value x, Value weight, RmsNorm attributes) { return at.apply(kRmsNorm, {x, weight}, attributes); }

}  // namespace vitro
