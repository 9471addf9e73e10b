#include "models/mixtral.h"

#include "models/experts.h"
#include "ops/add/add.h"

namespace vitro {
namespace {

Value self_attention(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scope = d.b.scope("self_attn", "MixtralAttention");
    const Value q = d.linear_to_heads(d.b, "q_proj", x, d.c.n_heads, layer.head_dim);
    const Value k = d.linear_to_heads(d.b, "k_proj", x, layer.n_kv_heads, layer.head_dim);
    const Value v = d.linear(d.b, "v_proj", x, layer.n_kv_heads * layer.head_dim);
    return d.linear(d.b, "o_proj", d.attention(layer, q, k, v), d.c.hidden_size);
}

Value mixture(Decoder& d, Value x) {
    const auto scope = d.b.scope("block_sparse_moe", "MixtralSparseMoeBlock");
    const Choice choice = choose_experts(d, d.linear(d.b, "gate", x, d.c.n_experts));
    return gated_experts(d, choice, {.gate = "w1", .up = "w3", .down = "w2"}, x);
}

Value decoder_layer(Decoder& d, const LayerConfig& layer, Value x) {
    const Value normed = d.norm(d.b, "input_layernorm", "MixtralRMSNorm", x);
    x = add(d.b.named("attention_residual"), x, self_attention(d, layer, normed));
    return add(d.b.named("mlp_residual"), x, mixture(d, d.norm(d.b, "post_attention_layernorm", "MixtralRMSNorm", x)));
}

Graph build(const ModelConfig& config, const BuildOptions& options) {
    return Decoder(config, options).model(decoder_layer);
}

}  // namespace

const Architecture kMixtral{
    .name = "MixtralForCausalLM",
    .model_type = "mixtral",
    .build = build,
    .n_kv_heads = 8,
    .max_positions = 131072,
    .norm_eps = 1e-5,
    .sliding = {.has_window = true},
    .rope = {.theta = 1e6},
    .experts = {.count = 8, .per_token = 2},
};

}  // namespace vitro
