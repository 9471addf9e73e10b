#include "models/phi3.h"

#include "models/decoder.h"
#include "ops/add/add.h"
#include "ops/mul/mul.h"
#include "ops/split/split.h"

namespace vitro {
namespace {

Value self_attention(Decoder& d, Value x) {
    const auto scope = d.b.scope("self_attn", "Phi3Attention");
    const std::int64_t q_size = d.c.n_heads * d.c.head_dim, kv_size = d.c.n_kv_heads * d.c.head_dim;
    const Value qkv = d.linear(d.b, "qkv_proj", x, d.c.hidden_size, q_size + 2 * kv_size);
    const auto parts = split(d.b.named("qkv"), qkv, {.axis = 1, .sizes = {q_size, kv_size, kv_size}});
    return d.linear(d.b, "o_proj", d.attention(parts[0], parts[1], parts[2]), q_size, d.c.hidden_size);
}

Value mlp(Decoder& d, Value x) {
    const auto scope = d.b.scope("mlp", "Phi3MLP");
    const std::int64_t size = d.c.intermediate_size;
    const Value gate_up = d.linear(d.b, "gate_up_proj", x, d.c.hidden_size, 2 * size);
    const auto parts = split(d.b.named("gate_up"), gate_up, {.axis = 1, .sizes = {size, size}});
    const Value gated = mul(d.b.named("gated"), d.activation(d.b, parts[0]), parts[1]);
    return d.linear(d.b, "down_proj", gated, size, d.c.hidden_size);
}

Value layer(Decoder& d, std::int64_t index, Value x) {
    const auto scope = d.b.scope(std::to_string(index), "Phi3DecoderLayer");
    x = add(d.b.named("attention_residual"), x, self_attention(d, d.norm(d.b, "input_layernorm", "Phi3RMSNorm", x)));
    return add(d.b.named("mlp_residual"), x, mlp(d, d.norm(d.b, "post_attention_layernorm", "Phi3RMSNorm", x)));
}

Graph build(const ModelConfig& config, const BuildOptions& options) {
    Decoder d(config, options);
    const auto root = d.b.scope("", config.architecture);
    Value x;
    {
        const auto model = d.b.scope("model", "Phi3Model");
        x = d.embedding("embed_tokens");
        {
            const auto layers = d.b.scope("layers", "ModuleList");
            for (std::int64_t i = 0; i < config.n_layers; ++i) x = layer(d, i, x);
        }
        x = d.norm(d.b, "norm", "Phi3RMSNorm", x);
    }
    return d.finish(x);
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
    .has_sliding_window = true,
    .rope = {.original_max_positions = 4096, .has_partial_rotary = true, .only_longrope = true},
};

}  // namespace vitro
