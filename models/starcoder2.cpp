#include "models/starcoder2.h"

#include "models/decoder.h"
#include "ops/add/add.h"

namespace vitro {
namespace {

Value self_attention(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scope = d.b.scope("self_attn", "Starcoder2Attention");
    const bool bias = d.c.attention_bias;
    const Value q = d.linear(d.b, "q_proj", x, d.c.n_heads * layer.head_dim, bias);
    const Value k = d.linear(d.b, "k_proj", x, layer.n_kv_heads * layer.head_dim, bias);
    const Value v = d.linear(d.b, "v_proj", x, layer.n_kv_heads * layer.head_dim, bias);
    return d.linear(d.b, "o_proj", d.attention(layer, q, k, v), d.c.hidden_size, bias);
}

Value mlp(Decoder& d, Value x) {
    const auto scope = d.b.scope("mlp", "Starcoder2MLP");
    const Value hidden = d.activation(d.b, d.linear(d.b, "c_fc", x, d.c.intermediate_size, d.c.mlp_bias));
    return d.linear(d.b, "c_proj", hidden, d.c.hidden_size, d.c.mlp_bias);
}

Value decoder_layer(Decoder& d, const LayerConfig& layer, Value x) {
    x = add(d.b.named("attention_residual"), x, self_attention(d, layer, d.layer_norm(d.b, "input_layernorm", x)));
    return add(d.b.named("mlp_residual"), x, mlp(d, d.layer_norm(d.b, "post_attention_layernorm", x)));
}

Graph build(const ModelConfig& config, const BuildOptions& options) {
    return Decoder(config, options).model(decoder_layer, Decoder::LastNorm::layer);
}

}  // namespace

const Architecture kStarcoder2{
    .name = "Starcoder2ForCausalLM",
    .model_type = "starcoder2",
    .build = build,
    .keys = {.norm_eps = "norm_epsilon", .attention_bias = "use_bias", .mlp_bias = "use_bias"},
    .n_kv_heads = 2,
    .max_positions = 4096,
    .norm_eps = 1e-5,
    .activation = Activation::gelu_tanh,
    .tie_word_embeddings = true,
    .bos_token_id = 50256,
    .eos_token_id = 50256,
    .has_attention_bias = true,
    .default_attention_bias = true,
    .has_mlp_bias = true,
    .default_mlp_bias = true,
    .sliding = {.has_window = true},
};

}  // namespace vitro
