#include "ops/expert_linear/expert_linear.h"

#include "base/checked.h"
#include "base/half.h"
#include "base/packed.h"
#include "ops/common/example_fill.h"
#include "ops/common/expect.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

namespace vitro {
namespace {

std::vector<TensorType> infer(std::span<const TensorType> inputs, const Attributes&) {
    const TensorType &x = inputs[ExpertLinear::kX], &weight = inputs[ExpertLinear::kWeight],
                     &experts = inputs[ExpertLinear::kExperts], &bias = inputs[ExpertLinear::kBias];
    expect_float("x", x);
    if (x.rank() != 2 && x.rank() != 3) fail("x: expected 2 or 3 dimensions, found {}", x.rank());
    expect_i32("experts", experts, 2);
    if (is_block_quantized(weight.dtype))
        expect_blocks("weight", weight, 3);
    else
        expect_stored_float("weight", weight, 3);
    for (int i = 0; i < x.rank() - 1; ++i)
        if (x.dim(i) != experts.dim(i))
            fail("experts: expected {} as x's dimension {}, found {}", to_string(x.dim(i)), i,
                 to_string(experts.dim(i)));
    if (x.dim(-1) != weight.dim(2))
        fail("the summed dimension: expected equal sizes, found {} (x's last) and {} (weight's last)",
             to_string(x.dim(-1)), to_string(weight.dim(2)));
    if (!bias.absent && (!is_float(bias.dtype) || bias.shape != Shape{weight.dim(0), weight.dim(1)}))
        fail("bias: expected a float {}, found {}", to_string(Shape{weight.dim(0), weight.dim(1)}), to_string(bias));
    return {{x.dtype, {experts.dim(0), experts.dim(1), weight.dim(1)}}};
}

/// All elements of a tensor of floats or blocks.
std::vector<float> numbers(const Tensor& tensor) {
    std::vector<float> out(static_cast<std::size_t>(tensor.elements()));
    if (info(tensor.dtype).storage != Storage::plain)
        dequantize_matrix(tensor.dtype, tensor.as<std::byte>(), tensor.rows(), tensor.dim(-1), out.data());
    else
        dispatch_stored_float(tensor.dtype, [&]<class T>(T) {
            for (std::size_t i = 0; i < out.size(); ++i) out[i] = float(tensor.as<T>()[i]);
        });
    return out;
}

void reference(const Call& call) {
    const Tensor &x = call.in(ExpertLinear::kX), &weight = call.in(ExpertLinear::kWeight),
                 &experts = call.in(ExpertLinear::kExperts), &out = call.out();
    const std::int64_t n = weight.dim(1), k = weight.dim(2), choices = experts.dim(1);
    const std::vector<float> rows = numbers(x), matrices = numbers(weight),
                             biases = numbers(call.in(ExpertLinear::kBias));
    dispatch_float(out.dtype, [&]<class T>(T) {
        for (std::int64_t r = 0; r < experts.elements(); ++r) {
            const std::int64_t expert = experts.as<std::int32_t>()[r];
            const float* from = rows.data() + (x.rank == 2 ? r / choices : r) * k;
            for (std::int64_t j = 0; j < n; ++j) {
                double sum = std::numeric_limits<double>::quiet_NaN();
                if (expert >= 0 && expert < weight.dim(0)) {
                    const std::int64_t row = expert * n + j;
                    sum = biases.empty() ? 0.0 : biases[static_cast<std::size_t>(row)];
                    for (std::int64_t i = 0; i < k; ++i)
                        sum += double(from[i]) * double(matrices[static_cast<std::size_t>(row * k + i)]);
                }
                out.as<T>()[r * n + j] = T(static_cast<float>(sum));
            }
        }
    });
}

/// Of the weights, as many matrices as there are choices, at most all: which ones, only the step knows.
Cost cost(const Call& call) {
    const Tensor &weight = call.in(ExpertLinear::kWeight), &experts = call.in(ExpertLinear::kExperts);
    Cost cost{0, capped_product({2, call.out().elements(), weight.dim(2)})};
    for (const Tensor& tensor : call.inputs)
        if (&tensor != &weight) cost.bytes += tensor.bytes();
    const std::int64_t all = std::max<std::int64_t>(weight.dim(0), 1), read = std::min(all, experts.elements());
    cost.bytes += weight.bytes() / all * read + call.out().bytes();
    if (call.has(ExpertLinear::kBias)) cost.flops += call.out().elements();
    return cost;
}

std::vector<Example> examples(Random& random) {
    std::vector<Example> all;
    const auto example = [&](std::int64_t tokens, bool is_matrix, bool has_bias, DType weight, std::int64_t k,
                             std::int64_t past = 0) {
        const std::int64_t n = random.integer(1, 40), count = random.integer(1, 9), choices = random.integer(1, 4);
        const auto fill = [=](std::size_t index, const Tensor& tensor, Random& numbers) {
            if (index == ExpertLinear::kExperts) fill_below(tensor, count + past, numbers);
            if (index == ExpertLinear::kExperts) return true;
            return index == ExpertLinear::kWeight && is_block_quantized(weight) && fill_blocks(index, tensor, numbers);
        };
        SymbolValues symbols;
        symbols['T'] = tokens;
        const Shape x = is_matrix ? Shape{'T', k} : Shape{'T', choices, k};
        all.push_back({{{DType::f32, x},
                        {weight, {count, n, k}},
                        {DType::i32, {'T', choices}},
                        has_bias ? TensorType{DType::f32, {count, n}} : TensorType::none()},
                       {},
                       symbols,
                       fill});
    };
    for (const std::int64_t tokens : {std::int64_t{1}, random.integer(2, 50)})
        for (const bool is_matrix : {true, false})
            example(tokens, is_matrix, tokens == 1, DType::f32, random.integer(1, 300));
    example(random.integer(2, 9), true, false, DType::f8e4m3, 8 * random.integer(1, 40));
    example(random.integer(2, 9), false, true, DType::f32, 8 * random.integer(40, 80), 2);  // some name no expert
    for (const DTypeInfo& type : kDTypes)
        if (type.storage == Storage::blocks)
            example(random.integer(1, 9), true, false, type.dtype, type.block_elements * random.integer(1, 3));
    return all;
}

}  // namespace

const OpDef kExpertLinear{
    .name = "expert_linear",
    .doc =
        "out[t, j] = x[t, j] · weight[e]ᵀ (+ bias[e]) with e = experts[t, j]; x [T, k, K], or [T, K] that is the same "
        "for every j; weight [E, N, K], experts i32 [T, k], bias [E, N]; out [T, k, N]. Only matrices that are chosen "
        "are read. An e that is not in [0, E) gives NaN. All in fp32, rounded once.",
    .inputs = {"x", {"weight", InputRole::shared}, "experts", InputDef("bias", InputRole::shared).optional()},
    .infer = infer,
    .reference = reference,
    .cost = cost,
    .examples = examples,
};

Value expert_linear(At at, Value x, Value weight, Value experts, Value bias) {
    return at.apply(kExpertLinear, {x, weight, experts, bias});
}

}  // namespace vitro
