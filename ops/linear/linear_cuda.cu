#include "ops/linear/linear.h"

#include "ops/common/blocks_cuda.h"
#include "ops/common/product_cuda.h"
#include "ops/common/refuse_blocks.h"
#include "ops/matmul/linear_product_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

ProductActivation activation_of(std::string_view name) {
    if (name == "silu") return ProductActivation::silu;
    if (name == "gelu") return ProductActivation::gelu;
    if (name == "gelu_tanh") return ProductActivation::gelu_tanh;
    if (name == "relu") return ProductActivation::relu;
    return ProductActivation::none;
}

LinearProduct product_of(const Call& call) {
    const auto& linear = call.attributes.as<Linear>();
    return {.x = call.in(Linear::kX),
            .weight = call.in(Linear::kWeight),
            .out = call.out(),
            .weight_scale = call.in(Linear::kWeightScale),
            .norm_weight = call.in(Linear::kNormWeight),
            .bias = call.in(Linear::kBias),
            .residual = call.in(Linear::kResidual),
            .eps = linear.eps,
            .activation = activation_of(linear.activation),
            .gated = linear.gated,
            .fixed_weights = is_fixed(call, {Linear::kWeight, Linear::kNormWeight})};
}

void run(const Call& call) { product_of(call).run(call); }
std::size_t scratch(const Call& call) { return product_of(call).scratch(call); }
bool is_large(const Call& call) { return product_of(call).is_large(call); }

std::string refuses(std::span<const TensorType> inputs, std::span<const TensorType> outputs,
                    const Attributes& attributes) {
    const TensorType &x = inputs[Linear::kX], &weight = inputs[Linear::kWeight], &out = outputs[0];
    // Where Gemm multiplies, it writes elements of x's type.
    if (is_float(x.dtype) && out.dtype != x.dtype)
        return fmt::format("its result is {}, as x is, not {}", name(x.dtype), name(out.dtype));
    if (!is_block_quantized(weight.dtype) && !is_packed(weight.dtype))
        return refuse_blocks(inputs, outputs, attributes);
    if (!is_float(x.dtype) || x.dtype == DType::f32) return "it multiplies blocks with 16-bit floats only";
    if (std::string reason = refuse_type_of_blocks(weight.dtype); !reason.empty()) return reason;
    if (!inputs[Linear::kNormWeight].absent) return "it normalizes no x for blocks";
    if (!inputs[Linear::kWeightScale].absent) return "blocks have scales of their own";
    const std::int64_t parts = attributes.as<Linear>().gated ? 2 : 1;
    if (weight.dim(0).size % (parts * kPackedRows) != 0)
        return fmt::format("the rows of {} are no multiple of {}", parts == 2 ? "the gate" : "the weight", kPackedRows);
    return {};
}

DType prefers(std::size_t input, std::span<const TensorType> inputs, const Attributes&) {
    const DType dtype = inputs[input].dtype;
    return input == Linear::kWeight && is_block_quantized(dtype) ? packed(dtype) : dtype;
}

}  // namespace

extern const KernelDef kLinearCuda{
    .op = "linear", .run = run, .refuses = refuses, .scratch = scratch, .rounds_between = is_large, .prefers = prefers};

}  // namespace vitro::VITRO_DEVICE
