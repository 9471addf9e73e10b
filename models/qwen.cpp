#include "models/qwen.h"

#include "models/experts.h"
#include "ops/add/add.h"

namespace vitro {
namespace {

Value qwen2_attention(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scope = d.b.scope("self_attn", "Qwen2Attention");
    const Value q = d.linear(d.b, "q_proj", x, d.c.n_heads * layer.head_dim, true);
    const Value k = d.linear(d.b, "k_proj", x, layer.n_kv_heads * layer.head_dim, true);
    const Value v = d.linear(d.b, "v_proj", x, layer.n_kv_heads * layer.head_dim, true);
    return d.linear(d.b, "o_proj", d.attention(layer, q, k, v), d.c.hidden_size);
}

Value qwen3_attention(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scope = d.b.scope("self_attn", d.family() + "Attention");
    const bool bias = d.c.attention_bias;
    Value q = d.linear(d.b, "q_proj", x, d.c.n_heads * layer.head_dim, bias);
    Value k = d.linear(d.b, "k_proj", x, layer.n_kv_heads * layer.head_dim, bias);
    const Value v = d.linear(d.b, "v_proj", x, layer.n_kv_heads * layer.head_dim, bias);
    q = d.norm(d.b, "q_norm", d.family() + "RMSNorm", d.heads("q_proj.heads", q, d.c.n_heads));
    k = d.norm(d.b, "k_norm", d.family() + "RMSNorm", d.heads("k_proj.heads", k, layer.n_kv_heads));
    return d.linear(d.b, "o_proj", d.attention(layer, q, k, v), d.c.hidden_size, bias);
}

template <Value (*attention)(Decoder&, const LayerConfig&, Value)>
Graph build(const ModelConfig& config, const BuildOptions& options) {
    return Decoder(config, options).model([](Decoder& d, const LayerConfig& layer, Value x) {
        const std::string norm = d.family() + "RMSNorm";
        x = add(d.b.named("attention_residual"), x, attention(d, layer, d.norm(d.b, "input_layernorm", norm, x)));
        return add(d.b.named("mlp_residual"), x, d.gated_mlp(d.norm(d.b, "post_attention_layernorm", norm, x)));
    });
}

Value mixture(Decoder& d, Value x) {
    const auto scope = d.b.scope("mlp", "Qwen3MoeSparseMoeBlock");
    const Choice choice = choose_experts(d, d.linear(d.b, "gate", x, d.c.n_experts));
    return gated_experts(d, choice, {.gate = "gate_proj", .up = "up_proj", .down = "down_proj"}, x);
}

Graph build_qwen3_moe(const ModelConfig& config, const BuildOptions& options) {
    return Decoder(config, options).model([](Decoder& d, const LayerConfig& layer, Value x) {
        const std::string norm = d.family() + "RMSNorm";
        x = add(d.b.named("attention_residual"), x, qwen3_attention(d, layer, d.norm(d.b, "input_layernorm", norm, x)));
        const Value normed = d.norm(d.b, "post_attention_layernorm", norm, x);
        return add(d.b.named("mlp_residual"), x, layer.has_experts ? mixture(d, normed) : d.gated_mlp(normed));
    });
}

constexpr SlidingDefaults kSliding{
    .has_window = true, .window = 4096, .has_layer_types = true, .is_switched = true, .from_layer = 28};

}  // namespace

const Architecture kQwen2{
    .name = "Qwen2ForCausalLM",
    .model_type = "qwen2",
    .build = build<qwen2_attention>,
    .n_kv_heads = 32,
    .max_positions = 32768,
    .bos_token_id = {},
    .eos_token_id = {},
    .sliding = kSliding,
};

const Architecture kQwen3{
    .name = "Qwen3ForCausalLM",
    .model_type = "qwen3",
    .build = build<qwen3_attention>,
    .n_kv_heads = 32,
    .head_dim = 128,
    .max_positions = 32768,
    .bos_token_id = {},
    .eos_token_id = {},
    .has_attention_bias = true,
    .sliding = kSliding,
};

const Architecture kQwen3Moe{
    .name = "Qwen3MoeForCausalLM",
    .model_type = "qwen3_moe",
    .build = build_qwen3_moe,
    .n_kv_heads = 4,
    .max_positions = 32768,
    .bos_token_id = {},
    .eos_token_id = {},
    .has_attention_bias = true,
    .experts = {.count = 128,
                .per_token = 8,
                .size_key = "moe_intermediate_size",
                .size = 768,
                .normalizes_key = "norm_topk_prob",
                .has_dense_layers = true},
};

}  // namespace vitro
