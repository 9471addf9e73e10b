#include "models/phi3.h"

#include "models/decoder.h"
#include "ops/add/add.h"
#include "ops/mul/mul.h"
#include "ops/split/split.h"

namespace vitro {
namespace {

Value self_attention(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scope = d.b.scope("self_attn", "Phi3Attention");
    const std::int64_t q_size = d.c.n_heads * layer.head_dim, kv_size = layer.n_kv_heads * layer.head_dim;
    const Value qkv = d.linear(d.b, "qkv_proj", x, q_size + 2 * kv_size);
    const auto parts = split(d.b.named("qkv"), qkv, {.axis = 1, .sizes = {q_size, kv_size, kv_size}});
    return d.linear(d.b, "o_proj", d.attention(layer, parts[0], parts[1], parts[2]), d.c.hidden_size);
}

Value mlp(Decoder& d, Value x) {
    const auto scope = d.b.scope("mlp", "Phi3MLP");
    const std::int64_t size = d.c.intermediate_size;
    const Value gate_up = d.linear(d.b, "gate_up_proj", x, 2 * size);
    const auto parts = split(d.b.named("gate_up"), gate_up, {.axis = 1, .sizes = {size, size}});
    const Value gated = mul(d.b.named("gated"), d.activation(d.b, parts[0]), parts[1]);
    return d.linear(d.b, "down_proj", gated, d.c.hidden_size);
}

Value decoder_layer(Decoder& d, const LayerConfig& layer, Value x) {
    const Value normed = d.norm(d.b, "input_layernorm", "Phi3RMSNorm", x);
    x = add(d.b.named("attention_residual"), x, self_attention(d, layer, normed));
    return add(d.b.named("mlp_residual"), x, mlp(d, d.norm(d.b, "post_attention_layernorm", "Phi3RMSNorm", x)));
}

Graph build(const ModelConfig& config, const BuildOptions& options) {
    return Decoder(config, options).model(decoder_layer);
}

}  // namespace

const Architecture kPhi3{
    .name = "Phi3ForCausalLM",
    .model_type = "phi3",
    .build = build,
    .max_positions = 4096,
    .norm_eps = 1e-5,
    .eos_token_id = 32000,
    .pad_token_id = 32000,
    .sliding = {.has_window = true},
    .rope = {.original_max_positions = 4096, .has_partial_rotary = true, .rounds_up = true, .only_longrope = true},
};

}  // namespace vitro
