#include "models/stablelm.h"

#include "models/decoder.h"
#include "ops/add/add.h"

namespace vitro {
namespace {

Value self_attention(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scope = d.b.scope("self_attn", "StableLmAttention");
    const bool bias = d.c.attention_bias;
    const Value q = d.linear(d.b, "q_proj", x, d.c.n_heads * layer.head_dim, bias);
    const Value k = d.linear(d.b, "k_proj", x, layer.n_kv_heads * layer.head_dim, bias);
    const Value v = d.linear(d.b, "v_proj", x, layer.n_kv_heads * layer.head_dim, bias);
    return d.linear(d.b, "o_proj", d.attention(layer, q, k, v), d.c.hidden_size);
}

Value decoder_layer(Decoder& d, const LayerConfig& layer, Value x) {
    x = add(d.b.named("attention_residual"), x, self_attention(d, layer, d.layer_norm(d.b, "input_layernorm", x)));
    return add(d.b.named("mlp_residual"), x, d.gated_mlp(d.layer_norm(d.b, "post_attention_layernorm", x)));
}

Graph build(const ModelConfig& config, const BuildOptions& options) {
    return Decoder(config, options).model(decoder_layer, Decoder::LastNorm::layer);
}

}  // namespace

const Architecture kStableLm{
    .name = "StableLmForCausalLM",
    .model_type = "stablelm",
    .build = build,
    .keys = {.norm_eps = "layer_norm_eps", .attention_bias = "use_qkv_bias"},
    .n_kv_heads = 32,
    .max_positions = 4096,
    .norm_eps = 1e-5,
    .bos_token_id = 0,
    .eos_token_id = 0,
    .has_attention_bias = true,
    .rope = {.has_partial_rotary = true, .partial_rotary = 0.25},
};

}  // namespace vitro
