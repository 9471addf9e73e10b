#include "models/gpt_oss.h"

#include "models/experts.h"
#include "ops/add/add.h"
#include "ops/clamp/clamp.h"
#include "ops/dequantize/dequantize.h"
#include "ops/expert_linear/expert_linear.h"
#include "ops/mul/mul.h"
#include "ops/reshape/reshape.h"
#include "ops/silu/silu.h"
#include "ops/slice/slice.h"
#include "ops/transpose/transpose.h"

namespace vitro {
namespace {

Value self_attention(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scope = d.b.scope("self_attn", "GptOssAttention");
    const bool bias = d.c.attention_bias;
    const Value q = d.linear(d.b, "q_proj", x, d.c.n_heads * layer.head_dim, bias);
    const Value k = d.linear(d.b, "k_proj", x, layer.n_kv_heads * layer.head_dim, bias);
    const Value v = d.linear(d.b, "v_proj", x, layer.n_kv_heads * layer.head_dim, bias);
    const Value sinks = d.weight("sinks", {d.c.n_heads});
    return d.linear(d.b, "o_proj", d.attention(layer, q, k, v, sinks), d.c.hidden_size, bias);
}

/// Rows 2 i + part of each expert's matrix: `both` is [E, 2, out, in], the result [E, out, in].
Value every_second_row(Decoder& d, const std::string& name, Value both, std::int64_t part) {
    const Shape& shape = d.b.type(both).shape;
    const Value x = slice(d.b, both, {.axis = 1, .begin = part, .end = part + 1});
    return reshape(d.b.named(name), x, {shape[0], shape[2], shape[3]});
}

/// The same of biases [E, out, 2]: [E, out].
Value every_second_bias(Decoder& d, const std::string& name, Value both, std::int64_t part) {
    const Shape& shape = d.b.type(both).shape;
    return reshape(d.b.named(name), slice(d.b, both, {.axis = 2, .begin = part, .end = part + 1}),
                   {shape[0], shape[1]});
}

struct Experts {
    Value weights;  // [E, out, in]
    Value biases;   // [E, out]
};
struct GatedExperts {
    Experts gate, up, down;
};

/// As GGUF files have them, each by itself.
Experts stacked_experts(Decoder& d, const std::string& name, std::int64_t out, std::int64_t in) {
    return {expert_weights(d, name, out, in),
            d.weight(fmt::format("experts.{}.bias", name).c_str(), {d.c.n_experts, out})};
}

/// As transformers has them: rows of gate and up take turns, and matrices stand turned unless they are in blocks.
GatedExperts joined_experts(Decoder& d) {
    const std::int64_t count = d.c.n_experts, size = d.c.expert_size, width = d.c.hidden_size;
    const auto experts = d.b.scope("experts", "GptOssExperts");
    Value both, down;
    if (d.c.experts_in_blocks) {
        const Value rows = d.b.weight("gate_up_proj", {DType::mxfp4, {count, 2 * size, width}});
        both = transpose(d.b, reshape(d.b, rows, {count, size, 2, width}), {0, 2, 1, 3});
        down = dequantize(d.b.named("down"), d.b.weight("down_proj", {DType::mxfp4, {count, width, size}}));
    } else {
        const Value stored = d.weight("gate_up_proj", {count, width, 2 * size});
        both = transpose(d.b, reshape(d.b, stored, {count, width, size, 2}), {0, 3, 2, 1});
        down = transpose(d.b.named("down"), d.weight("down_proj", {count, size, width}), {0, 2, 1});
    }
    const Value biases = reshape(d.b, d.weight("gate_up_proj_bias", {count, 2 * size}), {count, size, 2});
    const auto part = [&](const std::string& name, std::int64_t index) {
        Value rows = every_second_row(d, d.c.experts_in_blocks ? name + ".blocks" : name, both, index);
        if (d.c.experts_in_blocks) rows = dequantize(d.b.named(name), rows);
        return Experts{rows, every_second_bias(d, name + "_bias", biases, index)};
    };
    return {part("gate", 0), part("up", 1), {down, d.weight("down_proj_bias", {count, width})}};
}

/// (min(gate, limit) · σ(scale · min(gate, limit))) * (clamp(up, ± limit) + 1)
Value clamped_swiglu(Decoder& d, Value gate, Value up) {
    const auto limit = static_cast<float>(d.c.swiglu_limit), scale = static_cast<float>(d.c.swiglu_scale);
    gate = clamp(d.b.named("gate.clamped"), gate, {.high = limit});
    up = clamp(d.b.named("up.clamped"), up, {.low = -limit, .high = limit});
    // x · σ(a x) = silu(a x) / a
    const Value scaled = mul(d.b.named("gate.scaled"), gate, d.b.constant(scale));
    gate = mul(d.b.named("gate.activated"), silu(d.b.named("act_fn"), scaled), d.b.constant(1.0f / scale));
    return mul(d.b.named("gated"), gate, add(d.b.named("up.plus_one"), up, d.b.constant(1.0f)));
}

Value mixture(Decoder& d, Value x) {
    const auto scope = d.b.scope("mlp", "GptOssMLP");
    const Choice choice = choose_experts(d, d.linear(d.b, "router", x, d.c.n_experts, true));
    const std::int64_t size = d.c.expert_size, width = d.c.hidden_size;
    const auto [gate, up, down] = d.c.experts_are_stacked ? GatedExperts{stacked_experts(d, "gate_proj", size, width),
                                                                         stacked_experts(d, "up_proj", size, width),
                                                                         stacked_experts(d, "down_proj", width, size)}
                                                          : joined_experts(d);
    const auto product = [&](const char* name, Value from, const Experts& experts) {
        return expert_linear(d.b.named(name), from, experts.weights, choice.experts, experts.biases);
    };
    const Value gated = clamped_swiglu(d, product("gate_proj", x, gate), product("up_proj", x, up));
    return sum_by_shares(d, product("down_proj", gated, down), choice.shares);
}

Value decoder_layer(Decoder& d, const LayerConfig& layer, Value x) {
    const Value normed = d.norm(d.b, "input_layernorm", "GptOssRMSNorm", x);
    x = add(d.b.named("attention_residual"), x, self_attention(d, layer, normed));
    return add(d.b.named("mlp_residual"), x, mixture(d, d.norm(d.b, "post_attention_layernorm", "GptOssRMSNorm", x)));
}

Graph build(const ModelConfig& config, const BuildOptions& options) {
    return Decoder(config, options).model(decoder_layer);
}

}  // namespace

const Architecture kGptOss{
    .name = "GptOssForCausalLM",
    .model_type = "gpt_oss",
    .build = build,
    .n_kv_heads = 8,
    .head_dim = 64,
    .max_positions = 131072,
    .norm_eps = 1e-5,
    .bos_token_id = {},
    .eos_token_id = {},
    .has_attention_bias = true,
    .default_attention_bias = true,
    .sliding = {.has_window = true, .window = 128, .has_layer_types = true, .full_every = 2},
    .rope = {.theta = 150000, .must_be_given = true},
    .experts = {.count = 128, .per_token = 4, .has_clamped_swiglu = true, .may_be_mxfp4 = true},
};

}  // namespace vitro
