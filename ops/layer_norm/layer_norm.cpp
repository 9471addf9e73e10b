#include "ops/layer_norm/layer_norm.h"

#include "base/half.h"
#include "ops/common/elementwise.h"
#include "ops/common/norm.h"

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    expect_float("x", inputs[LayerNorm::kX]);
    expect_rank_at_least("x", inputs[LayerNorm::kX], 1);
    expect_row_of(inputs[LayerNorm::kX], "weight", inputs[LayerNorm::kWeight]);
    if (!inputs[LayerNorm::kBias].absent) expect_row_of(inputs[LayerNorm::kX], "bias", inputs[LayerNorm::kBias]);
    return {inputs[LayerNorm::kX]};
}

std::vector<double> row_of(const Tensor& tensor, std::int64_t row) {
    const std::int64_t n = tensor.dim(-1);
    std::vector<double> values;
    dispatch_float(tensor.dtype, [&]<class T>(T) {
        for (std::int64_t i = 0; i < n; ++i) values.push_back(float(tensor.as<T>()[row * n + i]));
    });
    return values;
}

void reference(const Call& call) {
    const Tensor &x = call.in(LayerNorm::kX), &out = call.out();
    const auto n = static_cast<std::size_t>(x.dim(-1));
    const double eps = call.attributes.as<LayerNorm>().eps;
    const std::vector<double> weight = row_of(call.in(LayerNorm::kWeight), 0);
    const std::vector<double> bias =
        call.has(LayerNorm::kBias) ? row_of(call.in(LayerNorm::kBias), 0) : std::vector<double>(n);
    for (std::int64_t r = 0; r < x.rows(); ++r) {
        const std::vector<double> row = row_of(x, r);
        double mean = 0, variance = 0;
        for (const double v : row) mean += v / static_cast<double>(n);
        for (const double v : row) variance += (v - mean) * (v - mean) / static_cast<double>(n);
        dispatch_float(out.dtype, [&]<class T>(T) {
            T* to = out.as<T>() + r * x.dim(-1);
            for (std::size_t i = 0; i < n; ++i)
                to[i] = T(static_cast<float>((row[i] - mean) / std::sqrt(variance + eps) * weight[i] + bias[i]));
        });
    }
}

Cost cost(const Call& call) { return elementwise_cost(call, 7); }

std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    float eps = 1e-6f;
    for (const Shape& shape : example_shapes()) {
        const TensorType x{DType::f32, shape}, row{DType::f32, {shape.back()}};
        all.push_back({{x, row, row}, LayerNorm{eps}, example_symbols(random)});
        all.push_back({{x, row}, LayerNorm{eps}, example_symbols(random)});
        eps *= 10;
    }
    return all;
}

}  // namespace

const OpDef kLayerNorm{
    .name = "layer_norm",
    .doc =
        "out[..., i] = (x[..., i] - mean) / sqrt(variance + eps) * weight[i] + bias[i] with mean and biased variance "
        "of the row x[..., :], in fp32, rounded once to x's dtype; a bias that is not given counts as 0.",
    .inputs = {"x", {"weight", InputRole::shared}, InputDef("bias", InputRole::shared).optional()},
    .locality = Locality::rows,
    .infer = infer,
    .parse_attributes = &Attributes::parse<LayerNorm>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .in_place = 0,
};

Value layer_norm(At at, Value x, Value weight, LayerNorm attributes, Value bias) {
    return at.apply(kLayerNorm, {x, weight, bias}, attributes);
}

}  // namespace vitro
