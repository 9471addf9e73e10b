#include "models/llama.h"

#include "models/decoder.h"
#include "ops/add/add.h"

namespace vitro {
namespace {

Value self_attention(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scope = d.b.scope("self_attn", d.family() + "Attention");
    const bool bias = d.c.attention_bias;
    const Value q = d.linear_to_heads(d.b, "q_proj", x, d.c.n_heads, layer.head_dim, bias);
    const Value k = d.linear_to_heads(d.b, "k_proj", x, layer.n_kv_heads, layer.head_dim, bias);
    const Value v = d.linear(d.b, "v_proj", x, layer.n_kv_heads * layer.head_dim, bias);
    return d.linear(d.b, "o_proj", d.attention(layer, q, k, v), d.c.hidden_size, bias);
}

Value decoder_layer(Decoder& d, const LayerConfig& layer, Value x) {
    const std::string norm = d.family() + "RMSNorm";
    x = add(d.b.named("attention_residual"), x, self_attention(d, layer, d.norm(d.b, "input_layernorm", norm, x)));
    return add(d.b.named("mlp_residual"), x, d.gated_mlp(d.norm(d.b, "post_attention_layernorm", norm, x)));
}

Graph build(const ModelConfig& config, const BuildOptions& options) {
    return Decoder(config, options).model(decoder_layer);
}

}  // namespace

const Architecture kLlama{
    .name = "LlamaForCausalLM",
    .model_type = "llama",
    .build = build,
    .has_attention_bias = true,
    .has_mlp_bias = true,
};

const Architecture kMistral{
    .name = "MistralForCausalLM",
    .model_type = "mistral",
    .build = build,
    .n_kv_heads = 8,
    .max_positions = 131072,
    .sliding = {.has_window = true, .window = 4096},
};

const Architecture kMinistral{
    .name = "MinistralForCausalLM",
    .model_type = "ministral",
    .build = build,
    .n_kv_heads = 8,
    .max_positions = 131072,
    .sliding = {.has_window = true, .window = 4096, .has_layer_types = true},
};

const Architecture kMinistral3{
    .name = "Ministral3ForCausalLM",
    .model_type = "ministral3",
    .build = build,
    .n_kv_heads = 8,
    .head_dim = 128,
    .max_positions = 262144,
    .norm_eps = 1e-5,
    .pad_token_id = 11,
    .sliding = {.has_window = true},
    .rope = {.theta = 1e6, .must_be_given = true, .has_query_scale = true},
};

const Architecture kSmolLm3{
    .name = "SmolLM3ForCausalLM",
    .model_type = "smollm3",
    .build = build,
    .n_kv_heads = 4,
    .max_positions = 32768,
    .tie_word_embeddings = true,
    .bos_token_id = 128000,
    .eos_token_id = 128001,
    .pad_token_id = 128004,
    .has_attention_bias = true,
    .has_mlp_bias = true,
    .sliding = {.has_window = true, .has_layer_types = true, .is_switched = true, .where_no_rope = true},
    .rope = {.theta = 2e6, .none_every = 4},
};

}  // namespace vitro
