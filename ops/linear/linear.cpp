#include "ops/linear/linear.h"

#include "base/half.h"
#include "ops/add/add.h"
#include "ops/cast/cast.h"
#include "ops/common/expect.h"
#include "ops/gelu/gelu.h"
#include "ops/matmul/matmul.h"
#include "ops/mul/mul.h"
#include "ops/relu/relu.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/silu/silu.h"
#include "ops/split/split.h"

#include <cmath>
#include <functional>

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const auto& linear = attributes.as<Linear>();
    const LinearInputs at(linear);
    const TensorType &x = inputs[0], &weight = inputs[1];
    if (static_cast<int>(inputs.size()) != at.count)
        fail("expected {} inputs as the attributes say, found {}", at.count, inputs.size());
    expect_float("x", x, 2);
    linear.scaled ? expect_stored_float("weight", weight, 2) : expect_float("weight", weight, 2);
    if (weight.dim(1) != x.dim(1))
        fail("the summed dimension: expected equal sizes, found {} (x's last) and {} (weight's last)",
             to_string(x.dim(1)), to_string(weight.dim(1)));
    TensorType out{x.dtype, {x.dim(0), weight.dim(0)}};
    if (linear.gated) {
        if (weight.dim(0).is_symbol() || weight.dim(0).size % 2 != 0)
            fail("weight: expected an even number of rows, gate and up, found {}", to_string(weight.dim(0)));
        out.shape[1].size /= 2;
    }
    const auto expect = [&](const char* name, int index, const Shape& shape) {
        if (index < 0) return;
        const TensorType& found = inputs[static_cast<std::size_t>(index)];
        if (!is_float(found.dtype) || found.shape != shape)
            fail("{}: expected a float {}, found {}", name, to_string(shape), to_string(found));
    };
    expect("weight_scale", at.weight_scale, {weight.dim(0)});
    expect("norm_weight", at.norm_weight, {x.dim(1)});
    expect("bias", at.bias, {weight.dim(0)});
    expect("residual", at.residual, out.shape);
    static constexpr std::string_view kActivations[] = {"", "silu", "gelu", "gelu_tanh", "relu"};
    if (std::find(std::begin(kActivations), std::end(kActivations), linear.activation) == std::end(kActivations))
        fail("activation: expected silu, gelu, gelu_tanh, relu or none, found '{}'", linear.activation);
    return {out};
}

double activate(const std::string& name, double x) {
    if (name == "silu") return x / (1 + std::exp(-x));
    if (name == "gelu") return 0.5 * x * std::erfc(-x * M_SQRT1_2);
    if (name == "gelu_tanh") return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    if (name == "relu") return std::max(x, 0.0);
    return x;
}

/// All elements of a float or f8e4m3 tensor in double.
std::vector<double> doubles(const Tensor& tensor) {
    std::vector<double> out(static_cast<std::size_t>(tensor.elements()));
    dispatch_stored_float(tensor.dtype, [&]<class X>(X) {
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = double(float(tensor.as<X>()[i]));
    });
    return out;
}

void reference(const Call& call) {
    const auto& linear = call.attributes.as<Linear>();
    const LinearInputs at(linear);
    const Tensor& out = call.out();
    const auto rows = static_cast<std::size_t>(out.rows()), k = static_cast<std::size_t>(call.in(0).dim(1));
    const auto n = static_cast<std::size_t>(call.in(1).dim(0)), m = static_cast<std::size_t>(out.dim(1));
    const auto optional = [&](int index) {
        return index < 0 ? std::vector<double>{} : doubles(call.in(static_cast<std::size_t>(index)));
    };
    std::vector<double> x = doubles(call.in(0)), weight = doubles(call.in(1)), z(n);
    const auto weight_scale = optional(at.weight_scale), norm_weight = optional(at.norm_weight),
               bias = optional(at.bias), residual = optional(at.residual);
    for (std::size_t r = 0; r < rows; ++r) {
        double* row = x.data() + r * k;
        if (linear.norm) {
            double squares = 0;
            for (std::size_t i = 0; i < k; ++i) squares += row[i] * row[i];
            const double scale = 1 / std::sqrt(squares / static_cast<double>(k) + static_cast<double>(linear.eps));
            for (std::size_t i = 0; i < k; ++i) row[i] *= scale * norm_weight[i];
        }
        for (std::size_t j = 0; j < n; ++j) {
            z[j] = 0;
            for (std::size_t i = 0; i < k; ++i) z[j] += row[i] * weight[j * k + i];
            if (linear.scaled) z[j] *= weight_scale[j];
            if (linear.bias) z[j] += bias[j];
        }
        dispatch_float(out.dtype, [&]<class X>(X) {
            for (std::size_t j = 0; j < m; ++j) {
                double y = activate(linear.activation, z[j]);
                if (linear.gated) y *= z[m + j];
                if (linear.residual) y += residual[r * m + j];
                out.as<X>()[r * m + j] = X(static_cast<float>(y));
            }
        });
    }
}

/// The op of the activation; null: none.
const OpDef* activation_of(const Linear& linear) {
    if (linear.activation.empty()) return nullptr;
    return linear.activation == "silu" ? &kSilu : linear.activation == "relu" ? &kRelu : &kGelu;
}

/// A product is two operations; the rest counts as the ops of the decomposition do.
Cost cost(const Call& call) {
    Cost cost;
    for (const Tensor& tensor : call.inputs) cost.bytes += tensor.bytes();
    cost.bytes += call.out().bytes();
    const auto& linear = call.attributes.as<Linear>();
    const Tensor &x = call.in(0), &weight = call.in(1), &out = call.out();
    const auto flops = [&](const OpDef& op, const Tensor& of) {
        return cost_of(op, {{&of, 1}, {&of, 1}, call.attributes, call.backend}).flops;
    };
    cost.flops = 2 * x.rows() * weight.elements();
    if (linear.norm) cost.flops += flops(kRmsNorm, x);
    cost.flops += (linear.scaled + linear.bias) * x.rows() * weight.dim(0);
    if (const OpDef* op = activation_of(linear)) cost.flops += flops(*op, out);
    cost.flops += (linear.gated + linear.residual) * out.elements();
    return cost;
}

std::vector<Value> decompose(Builder& b, std::span<const Value> inputs, const Attributes& attributes) {
    const auto& linear = attributes.as<Linear>();
    const LinearInputs at(linear);
    Value x = inputs[0];
    if (linear.norm) x = rms_norm(b, x, inputs[static_cast<std::size_t>(at.norm_weight)], {.eps = linear.eps});
    Value weight = inputs[1];
    if (!is_float(b.type(weight).dtype)) weight = cast(b, weight, {.dtype = DType::f32});
    Value y = matmul(b, x, weight, {.transpose_b = true});
    if (linear.scaled) y = mul(b, y, inputs[static_cast<std::size_t>(at.weight_scale)]);
    if (linear.bias) y = add(b, y, inputs[static_cast<std::size_t>(at.bias)]);
    std::vector<Value> parts{y};
    if (linear.gated) {
        const std::int64_t half = b.type(y).dim(1).size / 2;
        parts = split(b, y, {.axis = 1, .sizes = {half, half}});
    }
    y = parts[0];
    if (linear.activation == "silu") y = silu(b, y);
    if (linear.activation == "gelu") y = gelu(b, y);
    if (linear.activation == "gelu_tanh") y = gelu(b, y, {.tanh = true});
    if (linear.activation == "relu") y = relu(b, y);
    if (linear.gated) y = mul(b, y, parts[1]);
    if (linear.residual) y = add(b, y, inputs[static_cast<std::size_t>(at.residual)]);
    return {y};
}

std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    const auto f = [](Shape shape) { return TensorType{DType::f32, std::move(shape)}; };
    const auto example = [&](std::int64_t tokens, Linear linear, std::int64_t k = 0) {
        const std::int64_t m = random.integer(1, 60);
        if (k == 0) k = random.integer(1, 300);
        const std::int64_t n = linear.gated ? 2 * m : m;
        Example out{{f({'T', k}), f({n, k})}, linear, {}};
        if (linear.scaled && random.integer(0, 1) == 0) out.inputs[1].dtype = DType::f8e4m3;
        // Weights of the size that real ones have: z is about 1, so that its rounding stays small beside a gate.
        out.fill = [k](std::size_t index, const Tensor& tensor, Random& normal) {
            if (index != 1) return false;
            dispatch_stored_float(tensor.dtype, [&]<class T>(T) {
                for (std::int64_t i = 0; i < tensor.elements(); ++i)
                    tensor.as<T>()[i] = T(static_cast<float>(normal.normal() / std::sqrt(double(k))));
            });
            return true;
        };
        out.symbols['T'] = tokens;
        if (linear.scaled) out.inputs.push_back({DType::f32, {n}});
        if (linear.norm) out.inputs.push_back(f({k}));
        if (linear.bias) out.inputs.push_back(f({n}));
        if (linear.residual) out.inputs.push_back(f({'T', m}));
        all.push_back(std::move(out));
    };
    for (const std::int64_t tokens : {std::int64_t{1}, random.integer(2, 20)}) {
        example(tokens, {});
        example(tokens, {.norm = true, .eps = 1e-5f});
        example(tokens, {.bias = true, .residual = true});
        example(tokens, {.activation = "silu", .gated = true});
        example(tokens,
                {.norm = true, .eps = 1e-3f, .bias = true, .activation = "gelu", .gated = true, .residual = true});
        example(tokens, {.activation = "gelu_tanh"});
        example(tokens, {.norm = true, .activation = "relu", .residual = true});
        example(tokens, {.scaled = true, .residual = true});
        example(tokens, {.scaled = true, .norm = true, .bias = true, .activation = "silu", .gated = true});
    }
    // Rows of whole vectors, short and long.
    const auto k_of = [&](std::int64_t least, std::int64_t most) { return 8 * random.integer(least, most); };
    example(1, {.bias = true, .residual = true}, k_of(1, 40));
    example(1, {.norm = true, .activation = "silu", .gated = true}, k_of(128, 390));
    example(random.integer(2, 8), {.norm = true, .residual = true}, k_of(1, 200));
    example(random.integer(2, 8), {.activation = "gelu_tanh", .gated = true, .residual = true}, k_of(1, 40));
    example(random.integer(9, 16), {.norm = true, .bias = true}, k_of(1, 160));
    example(random.integer(9, 16), {.bias = true, .activation = "silu", .gated = true}, k_of(20, 300));
    example(random.integer(17, 40), {.residual = true}, k_of(1, 40));
    example(random.integer(17, 40), {.norm = true, .activation = "silu", .gated = true, .residual = true}, k_of(1, 40));
    return all;
}

}  // namespace

LinearInputs::LinearInputs(const Linear& linear) {
    if (linear.scaled) weight_scale = count++;
    if (linear.norm) norm_weight = count++;
    if (linear.bias) bias = count++;
    if (linear.residual) residual = count++;
}

const OpDef kLinear{
    .name = "linear",
    .doc =
        "h = norm ? rms_norm(x, norm_weight) : x; z = h · weightᵀ (* weight_scale) (+ bias); gated: y = act(first half "
        "of z) * second "
        "half, else y = act(z); out = y (+ residual). x [T, K], weight [N, K]; the optional inputs weight_scale [N], "
        "norm_weight [K], bias [N], residual as out follow in this order. Everything in between is fp32.",
    .inputs = {"x", "weight", "weight_scale|norm_weight|bias|residual", "norm_weight|bias|residual", "bias|residual",
               "residual"},
    .optional_from = 2,
    .infer = infer,
    .parse_attributes = &Attributes::parse<Linear>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .decompose = decompose,
};

Value linear(At at, Value x, Value weight, Linear attributes, std::optional<Value> norm_weight,
             std::optional<Value> bias, std::optional<Value> residual, std::optional<Value> weight_scale) {
    std::vector<Value> inputs{x, weight};
    for (const auto& input : {weight_scale, norm_weight, bias, residual})
        if (input) inputs.push_back(*input);
    return at.apply_all(kLinear, inputs, std::move(attributes)).front();
}

}  // namespace vitro
