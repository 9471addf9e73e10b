#include "models/granite.h"

#include "models/decoder.h"
#include "ops/add/add.h"
#include "ops/mul/mul.h"

namespace vitro {
namespace {

Value self_attention(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scope = d.b.scope("self_attn", "GraniteAttention");
    const bool bias = d.c.attention_bias;
    const Value q = d.linear_to_heads(d.b, "q_proj", x, d.c.n_heads, layer.head_dim, bias);
    const Value k = d.linear_to_heads(d.b, "k_proj", x, layer.n_kv_heads, layer.head_dim, bias);
    const Value v = d.linear(d.b, "v_proj", x, layer.n_kv_heads * layer.head_dim, bias);
    return d.linear(d.b, "o_proj", d.attention(layer, q, k, v), d.c.hidden_size, bias);
}

Value decoder_layer(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scaled = [&](const char* name, Value y) {
        return mul(d.b.named(name), y, d.b.constant(static_cast<float>(d.c.residual_scale)));
    };
    const Value attended = self_attention(d, layer, d.norm(d.b, "input_layernorm", "GraniteRMSNorm", x));
    x = add(d.b.named("attention_residual"), x, scaled("self_attn.scaled", attended));
    const Value fed = d.gated_mlp(d.norm(d.b, "post_attention_layernorm", "GraniteRMSNorm", x));
    return add(d.b.named("mlp_residual"), x, scaled("mlp.scaled", fed));
}

Graph build(const ModelConfig& config, const BuildOptions& options) {
    return Decoder(config, options).model(decoder_layer);
}

}  // namespace

const Architecture kGranite{
    .name = "GraniteForCausalLM",
    .model_type = "granite",
    .build = build,
    .keys = {.embedding_scale = "embedding_multiplier",
             .residual_scale = "residual_multiplier",
             .attention_scale = "attention_multiplier",
             .logit_divisor = "logits_scaling"},
    .attention_scale = 1,
    .has_attention_bias = true,
    .has_mlp_bias = true,
};

}  // namespace vitro
