#include "models/olmo.h"

#include "models/decoder.h"
#include "ops/add/add.h"

namespace vitro {
namespace {

Value self_attention(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scope = d.b.scope("self_attn", d.family() + "Attention");
    const std::string norm = d.family() + "RMSNorm";
    const bool bias = d.c.attention_bias;
    Value q = d.linear(d.b, "q_proj", x, d.c.n_heads * layer.head_dim, bias);
    Value k = d.linear(d.b, "k_proj", x, layer.n_kv_heads * layer.head_dim, bias);
    const Value v = d.linear(d.b, "v_proj", x, layer.n_kv_heads * layer.head_dim, bias);
    q = d.norm(d.b, "q_norm", norm, q);
    k = d.norm(d.b, "k_norm", norm, k);
    return d.linear(d.b, "o_proj", d.attention(layer, q, k, v), d.c.hidden_size, bias);
}

Value decoder_layer(Decoder& d, const LayerConfig& layer, Value x) {
    const std::string norm = d.family() + "RMSNorm";
    const Value attended = d.norm(d.b, "post_attention_layernorm", norm, self_attention(d, layer, x));
    x = add(d.b.named("attention_residual"), x, attended);
    return add(d.b.named("mlp_residual"), x, d.norm(d.b, "post_feedforward_layernorm", norm, d.gated_mlp(x)));
}

Graph build(const ModelConfig& config, const BuildOptions& options) {
    return Decoder(config, options).model(decoder_layer);
}

}  // namespace

const Architecture kOlmo2{
    .name = "Olmo2ForCausalLM",
    .model_type = "olmo2",
    .build = build,
    .norm_eps = 1e-5,
    .bos_token_id = {},
    .eos_token_id = 50279,
    .pad_token_id = 1,
    .has_attention_bias = true,
};

const Architecture kOlmo3{
    .name = "Olmo3ForCausalLM",
    .model_type = "olmo3",
    .build = build,
    .norm_eps = 1e-5,
    .bos_token_id = {},
    .eos_token_id = 50279,
    .pad_token_id = 1,
    .has_attention_bias = true,
    .sliding = {.has_window = true, .window = 4096, .has_layer_types = true, .full_every = 4},
    .rope = {.theta = 500000, .local_theta = 500000},
};

}  // namespace vitro
