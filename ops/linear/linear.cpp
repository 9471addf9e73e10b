#include "ops/linear/linear.h"

#include "base/checked.h"
#include "base/half.h"
#include "base/packed.h"
#include "ops/add/add.h"
#include "ops/cast/cast.h"
#include "ops/common/example_fill.h"
#include "ops/common/expect.h"
#include "ops/dequantize/dequantize.h"
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

/// Rounded numbers are multiplied with blocks, and are normed already.
void expect_rounded(std::string_view input, const TensorType& found, std::span<const TensorType> inputs) {
    const DType weight = inputs[Linear::kWeight].dtype;
    if (found.rank() != 2) fail("{}: expected rank 2, found {}", input, to_string(found));
    if (!is_block_quantized(weight) && !is_packed(weight))
        fail("{}: expected a float type, since the weight is not block-quantized, found {}", input, to_string(found));
    if (!inputs[Linear::kNormWeight].absent)
        fail("{}: expected a float type, since it is normalized, found {}", input, to_string(found));
}

/// Whether x is rounded for this product alone, so that the output has a type of its own.
bool rounds(const Linear& linear, DType x) { return linear.x_rounded || is_rounded(x); }

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes& attributes) {
    const auto& linear = attributes.as<Linear>();
    const TensorType &x = inputs[Linear::kX], &weight = inputs[Linear::kWeight];
    if (is_rounded(x.dtype)) {
        expect_rounded("x", x, inputs);
        if (linear.x_rounded) fail("x_rounded: expected false, since x is of {}", name(x.dtype));
    } else {
        expect_float("x", x, 2);
    }
    if (linear.x_rounded && !inputs[Linear::kNormWeight].absent)
        fail("norm_weight: expected none, since x is rounded, found {}", to_string(inputs[Linear::kNormWeight]));
    if (is_packed(weight.dtype))
        expect_packed("weight", weight);
    else if (is_block_quantized(weight.dtype))
        expect_blocks("weight", weight, 2);
    else if (!inputs[Linear::kWeightScale].absent)
        expect_stored_float("weight", weight, 2);
    else
        expect_float("weight", weight, 2);
    if (weight.dim(1) != x.dim(1))
        fail("the summed dimension: expected equal sizes, found {} (x's last) and {} (weight's last)",
             to_string(x.dim(1)), to_string(weight.dim(1)));
    TensorType out{rounds(linear, x.dtype) ? linear.dtype : x.dtype, {x.dim(0), weight.dim(0)}};
    if (linear.gated) {
        if (weight.dim(0).is_symbol() || weight.dim(0).size % 2 != 0)
            fail("weight: expected an even number of rows, gate and up, found {}", to_string(weight.dim(0)));
        out.shape[1].size /= 2;
    }
    const auto expect = [&](Linear::Input input, const Shape& shape) {
        const TensorType& found = inputs[input];
        if (!found.absent && (!is_float(found.dtype) || found.shape != shape))
            fail("{}: expected a float {}, found {}", kLinear.inputs[input].name, to_string(shape), to_string(found));
    };
    expect(Linear::kWeightScale, {weight.dim(0)});
    expect(Linear::kNormWeight, {x.dim(1)});
    expect(Linear::kBias, {weight.dim(0)});
    expect(Linear::kResidual, out.shape);
    return {out};
}

double activate(const std::string& name, double x) {
    if (name == "silu") return x / (1 + std::exp(-x));
    if (name == "gelu") return 0.5 * x * std::erfc(-x * M_SQRT1_2);
    if (name == "gelu_tanh") return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    if (name == "relu") return std::max(x, 0.0);
    return x;
}

/// All elements of a tensor of any dtype but i32 in double; none of an absent one.
std::vector<double> doubles(const Tensor& tensor) {
    std::vector<double> out(static_cast<std::size_t>(tensor.elements()));
    if (info(tensor.dtype).storage != Storage::plain) {
        std::vector<float> values(out.size());
        dequantize_matrix(tensor.dtype, tensor.as<std::byte>(), tensor.rows(), tensor.dim(-1), values.data());
        std::copy(values.begin(), values.end(), out.begin());
        return out;
    }
    dispatch_stored_float(tensor.dtype, [&]<class X>(X) {
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = double(float(tensor.as<X>()[i]));
    });
    return out;
}

void reference(const Call& call) {
    const auto& linear = call.attributes.as<Linear>();
    const Tensor &out = call.out(), &x_in = call.in(Linear::kX), &weight_in = call.in(Linear::kWeight);
    const auto rows = static_cast<std::size_t>(out.rows()), k = static_cast<std::size_t>(x_in.dim(1));
    const auto n = static_cast<std::size_t>(weight_in.dim(0)), m = static_cast<std::size_t>(out.dim(1));
    std::vector<double> x = doubles(x_in), z(n);
    const auto weight = doubles(weight_in), weight_scale = doubles(call.in(Linear::kWeightScale)),
               norm_weight = doubles(call.in(Linear::kNormWeight)), bias = doubles(call.in(Linear::kBias)),
               residual = doubles(call.in(Linear::kResidual));
    for (std::size_t r = 0; r < rows; ++r) {
        double* row = x.data() + r * k;
        if (!norm_weight.empty()) {
            double squares = 0;
            for (std::size_t i = 0; i < k; ++i) squares += row[i] * row[i];
            const double scale = 1 / std::sqrt(squares / static_cast<double>(k) + static_cast<double>(linear.eps));
            for (std::size_t i = 0; i < k; ++i) row[i] *= scale * norm_weight[i];
        }
        for (std::size_t j = 0; j < n; ++j) {
            z[j] = 0;
            for (std::size_t i = 0; i < k; ++i) z[j] += row[i] * weight[j * k + i];
            if (!weight_scale.empty()) z[j] *= weight_scale[j];
            if (!bias.empty()) z[j] += bias[j];
        }
        dispatch_float(out.dtype, [&]<class X>(X) {
            for (std::size_t j = 0; j < m; ++j) {
                double y = activate(linear.activation, z[j]);
                if (linear.gated) y *= z[m + j];
                if (!residual.empty()) y += residual[r * m + j];
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
    const Tensor &x = call.in(Linear::kX), &weight = call.in(Linear::kWeight), &out = call.out();
    const auto flops = [&](const OpDef& op, const Tensor& of) {
        return cost_of(op, {{&of, 1}, {&of, 1}, call.attributes, call.backend}).flops;
    };
    cost.flops = capped_product({2, x.rows(), weight.elements()});
    if (call.has(Linear::kNormWeight)) cost.flops += flops(kRmsNorm, x);
    cost.flops += (call.has(Linear::kWeightScale) + call.has(Linear::kBias)) * x.rows() * weight.dim(0);
    if (const OpDef* op = activation_of(linear)) cost.flops += flops(*op, out);
    cost.flops += (linear.gated + call.has(Linear::kResidual)) * out.elements();
    return cost;
}

std::vector<Value> decompose(Builder& b, std::span<const Value> inputs, const Attributes& attributes) {
    const auto& linear = attributes.as<Linear>();
    const auto has = [&](Linear::Input input) { return inputs[input].is_given(); };
    Value x = inputs[Linear::kX], weight = inputs[Linear::kWeight];
    if (has(Linear::kNormWeight)) x = rms_norm(b, x, inputs[Linear::kNormWeight], {.eps = linear.eps});
    if (b.type(weight).dtype == DType::f8e4m3) weight = cast(b, weight, {.dtype = DType::f32});
    if (is_packed(b.type(weight).dtype)) weight = dequantize(b, weight);
    const bool is_exact = !rounds(linear, b.type(x).dtype);
    if (linear.x_rounded) x = cast(b, x, {.dtype = DType::f32});
    if (is_rounded(b.type(x).dtype)) x = dequantize(b, x);
    Value y = matmul(b, x, weight, {.transpose_b = true});
    if (has(Linear::kWeightScale)) y = mul(b, y, inputs[Linear::kWeightScale]);
    if (has(Linear::kBias)) y = add(b, y, inputs[Linear::kBias]);
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
    if (has(Linear::kResidual)) y = add(b, y, inputs[Linear::kResidual]);
    if (!is_exact && linear.dtype != DType::f32) y = cast(b, y, {.dtype = linear.dtype});
    return {y};
}

/// Which optional inputs an example has.
struct Given {
    bool scale = false, norm = false, bias = false, residual = false;
};

std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    const auto f = [](Shape shape) { return TensorType{DType::f32, std::move(shape)}; };
    const auto example = [&](std::int64_t tokens, Given given, Linear linear = {}, std::int64_t k = 0,
                             std::int64_t m = 0) {
        if (m == 0) m = random.integer(1, 60);
        if (k == 0) k = random.integer(1, 300);
        const std::int64_t n = linear.gated ? 2 * m : m;
        const auto optional = [](bool is_given, TensorType type) { return is_given ? type : TensorType::none(); };
        Example out{{f({'T', k}), f({n, k}), optional(given.scale, f({n})), optional(given.norm, f({k})),
                     optional(given.bias, f({n})), optional(given.residual, f({'T', m}))},
                    linear,
                    {}};
        if (given.scale && random.integer(0, 1) == 0) out.inputs[Linear::kWeight].dtype = DType::f8e4m3;
        // Weights of the size that real ones have: z is about 1, so that its rounding stays small beside a gate.
        out.fill = [k](std::size_t index, const Tensor& tensor, Random& normal) {
            if (index != Linear::kWeight) return false;
            dispatch_stored_float(tensor.dtype, [&]<class T>(T) {
                for (std::int64_t i = 0; i < tensor.elements(); ++i)
                    tensor.as<T>()[i] = T(static_cast<float>(normal.normal() / std::sqrt(double(k))));
            });
            return true;
        };
        out.symbols['T'] = tokens;
        all.push_back(std::move(out));
    };
    const Linear silu_gated{.activation = "silu", .gated = true};
    for (const std::int64_t tokens : {std::int64_t{1}, random.integer(2, 20)}) {
        example(tokens, {});
        example(tokens, {.norm = true}, {.eps = 1e-5f});
        example(tokens, {.bias = true, .residual = true});
        example(tokens, {}, silu_gated);
        example(tokens, {.norm = true, .bias = true, .residual = true},
                {.eps = 1e-3f, .activation = "gelu", .gated = true});
        example(tokens, {}, {.activation = "gelu_tanh"});
        example(tokens, {.norm = true, .residual = true}, {.activation = "relu"});
        example(tokens, {.scale = true, .residual = true});
        example(tokens, {.scale = true, .norm = true, .bias = true}, silu_gated);
    }
    // Blocks with what is exact and what is rounded, and packed.
    for (const DTypeInfo& x : kDTypes)
        for (const DTypeInfo& weight : kDTypes) {
            const bool is_either = x.dtype == DType::f32 || x.storage == Storage::rounded,
                       has_blocks = weight.storage == Storage::blocks || weight.storage == Storage::packed;
            if (!is_either || !has_blocks) continue;
            const std::int64_t block = std::max(x.block_elements, block_columns(weight.dtype));
            const bool is_gated = random.integer(0, 1) == 1;
            example(random.integer(1, 6), {.residual = is_gated}, is_gated ? silu_gated : Linear{},
                    block * random.integer(1, 3));
            Example& last = all.back();
            const std::int64_t n = 2 * weight.block_rows * random.integer(1, 5);
            last.inputs[Linear::kX].dtype = x.dtype;
            last.inputs[Linear::kWeight] = {weight.dtype, {n, last.inputs[Linear::kX].dim(1)}};
            if (is_gated) last.inputs[Linear::kResidual].shape[1] = n / 2;
            last.fill = [](std::size_t index, const Tensor& tensor, Random& values) {
                return info(tensor.dtype).storage != Storage::plain && fill_blocks(index, tensor, values);
            };
        }
    // Rows of whole vectors, short and long.
    const auto k_of = [&](std::int64_t least, std::int64_t most) { return 8 * random.integer(least, most); };
    example(1, {.bias = true, .residual = true}, {}, k_of(1, 40));
    example(1, {.norm = true}, silu_gated, k_of(128, 390));
    example(random.integer(2, 8), {.norm = true, .residual = true}, {}, k_of(1, 200));
    example(random.integer(2, 8), {.residual = true}, {.activation = "gelu_tanh", .gated = true}, k_of(1, 40));
    example(random.integer(9, 16), {.norm = true, .bias = true}, {}, k_of(1, 160));
    example(random.integer(9, 16), {.bias = true}, silu_gated, k_of(20, 300));
    example(random.integer(17, 40), {.residual = true}, {}, k_of(1, 40));
    example(random.integer(17, 40), {.norm = true, .residual = true}, silu_gated, k_of(1, 40));
    example(random.integer(17, 40), {}, silu_gated, k_of(1, 40));
    example(random.integer(257, 300), {.bias = true}, silu_gated, k_of(1, 10));
    // More rows than a device has blocks at once, sums that blocks share, and tokens of every kernel.
    const auto many = [&] { return random.integer(260, 420); };
    example(random.integer(1, 8), {.norm = true}, silu_gated, k_of(1, 30), many());
    example(random.integer(9, 16), {.norm = true, .residual = true}, {}, k_of(1, 30), many());
    example(random.integer(9, 16), {.scale = true, .bias = true}, {}, 16 * random.integer(1, 20), many());
    example(random.integer(33, 64), {.norm = true, .bias = true}, silu_gated, k_of(1, 30), many());
    example(random.integer(17, 64), {.norm = true, .residual = true}, {}, k_of(130, 260));
    example(random.integer(17, 64), {.scale = true, .norm = true}, silu_gated, 16 * random.integer(70, 140));
    example(random.integer(65, 70), {.norm = true, .residual = true}, silu_gated, k_of(1, 30));
    for (const DType x : {DType::f16, DType::bf16})
        for (const DType weight : {DType::bf16, DType::f16})
            for (const std::int64_t some : {std::int64_t{1}, random.integer(2, 40)}) {
                example(some, {.residual = true}, {.x_rounded = true, .dtype = some == 1 ? DType::f32 : DType::bf16},
                        random.integer(1, 600));
                all.back().inputs[Linear::kX].dtype = x;
                all.back().inputs[Linear::kWeight].dtype = weight;
            }
    return all;
}

}  // namespace

const OpDef kLinear{
    .name = "linear",
    .doc =
        "h = norm_weight ? rms_norm(x, norm_weight) : x; z = h · weightᵀ (* weight_scale) (+ bias); gated: y = "
        "act(first half of z) * second half, else y = act(z); out = y (+ residual). x [T, K], weight [N, K]; "
        "weight_scale [N], norm_weight [K], bias [N] and residual, of out's shape, may be absent. Everything in "
        "between "
        "is fp32.",
    .inputs = {"x",
               {"weight", InputRole::shared},
               InputDef("weight_scale", InputRole::shared).optional(),
               InputDef("norm_weight", InputRole::shared).optional(),
               InputDef("bias", InputRole::shared).optional(),
               InputDef("residual").optional()},
    .locality = Locality::rows,
    .infer = infer,
    .parse_attributes = &Attributes::parse<Linear>,
    .reference = reference,
    .cost = cost,
    .examples = examples,
    .decompose = decompose,
};

Value linear(At at, const LinearValues& values, Linear attributes) {
    return at.apply(kLinear,
                    {values.x, values.weight, values.weight_scale, values.norm_weight, values.bias, values.residual},
                    std::move(attributes));
}

}  // namespace vitro
