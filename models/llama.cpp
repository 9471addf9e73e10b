#include "models/llama.h"

#include "models/decoder.h"
#include "ops/add/add.h"
#include "ops/mul/mul.h"

namespace vitro {
namespace {

/// "Llama" or "Mistral", which names the modules.
std::string family(const ModelConfig& config) { return config.architecture.substr(0, config.architecture.find("For")); }

Value self_attention(Decoder& d, Value x) {
    const auto scope = d.b.scope("self_attn", family(d.c) + "Attention");
    const std::int64_t q_size = d.c.n_heads * d.c.head_dim, kv_size = d.c.n_kv_heads * d.c.head_dim;
    const bool bias = d.c.attention_bias;
    const Value q = d.linear_to_heads(d.b, "q_proj", x, d.c.n_heads, bias);
    const Value k = d.linear_to_heads(d.b, "k_proj", x, d.c.n_kv_heads, bias);
    const Value v = d.linear(d.b, "v_proj", x, d.c.hidden_size, kv_size, bias);
    return d.linear(d.b, "o_proj", d.attention(q, k, v), q_size, d.c.hidden_size, bias);
}

Value mlp(Decoder& d, Value x) {
    const auto scope = d.b.scope("mlp", family(d.c) + "MLP");
    const std::int64_t size = d.c.intermediate_size;
    const Value gate = d.linear(d.b, "gate_proj", x, d.c.hidden_size, size, d.c.mlp_bias);
    const Value up = d.linear(d.b, "up_proj", x, d.c.hidden_size, size, d.c.mlp_bias);
    const Value gated = mul(d.b.named("gated"), d.activation(d.b, gate), up);
    return d.linear(d.b, "down_proj", gated, size, d.c.hidden_size, d.c.mlp_bias);
}

Value layer(Decoder& d, std::int64_t index, Value x) {
    const auto scope = d.b.scope(std::to_string(index), family(d.c) + "DecoderLayer");
    const std::string norm = family(d.c) + "RMSNorm";
    x = add(d.b.named("attention_residual"), x, self_attention(d, d.norm(d.b, "input_layernorm", norm, x)));
    return add(d.b.named("mlp_residual"), x, mlp(d, d.norm(d.b, "post_attention_layernorm", norm, x)));
}

Graph build(const ModelConfig& config, const BuildOptions& options) {
    Decoder d(config, options);
    const auto root = d.b.scope("", config.architecture);
    Value x;
    {
        const auto model = d.b.scope("model", family(config) + "Model");
        x = d.embedding("embed_tokens");
        {
            const auto layers = d.b.scope("layers", "ModuleList");
            for (std::int64_t i = 0; i < config.n_layers; ++i) x = layer(d, i, x);
        }
        x = d.norm(d.b, "norm", family(config) + "RMSNorm", x);
    }
    return d.finish(x);
}

}  // namespace

const Architecture kLlama{
    .name = "LlamaForCausalLM",
    .model_type = "llama",
    .build = build,
    .has_biases = true,
};

const Architecture kMistral{
    .name = "MistralForCausalLM",
    .model_type = "mistral",
    .build = build,
    .n_kv_heads = 8,
    .max_positions = 131072,
    .sliding_window = 4096,
    .has_sliding_window = true,
};

}  // namespace vitro
