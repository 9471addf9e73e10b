#include "ops/linear/linear.h"

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
std::size_t scratch(const Call& call) { return product_of(call).scratch(); }
bool is_large(const Call& call) { return product_of(call).is_large(); }

}  // namespace

extern const KernelDef kLinearCuda{
    .op = "linear", .run = run, .refuses = refuse_blocks, .scratch = scratch, .rounds_between = is_large};

}  // namespace vitro::VITRO_DEVICE
