#include "models/gemma.h"

#include "models/decoder.h"
#include "ops/add/add.h"

namespace vitro {
namespace {

template <bool norms_heads>
Value self_attention(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scope = d.b.scope("self_attn", d.family() + "Attention");
    const bool bias = d.c.attention_bias;
    Value q = d.linear(d.b, "q_proj", x, d.c.n_heads * layer.head_dim, bias);
    Value k = d.linear(d.b, "k_proj", x, layer.n_kv_heads * layer.head_dim, bias);
    const Value v = d.linear(d.b, "v_proj", x, layer.n_kv_heads * layer.head_dim, bias);
    if (norms_heads) {
        q = d.norm(d.b, "q_norm", d.family() + "RMSNorm", d.heads("q_proj.heads", q, d.c.n_heads));
        k = d.norm(d.b, "k_norm", d.family() + "RMSNorm", d.heads("k_proj.heads", k, layer.n_kv_heads));
    }
    return d.linear(d.b, "o_proj", d.attention(layer, q, k, v), d.c.hidden_size, bias);
}

template <bool norms_heads>
Graph build(const ModelConfig& config, const BuildOptions& options) {
    return Decoder(config, options).model([](Decoder& d, const LayerConfig& layer, Value x) {
        const auto norm = [&](const char* name, Value y) { return d.norm(d.b, name, d.family() + "RMSNorm", y); };
        const Value attended = self_attention<norms_heads>(d, layer, norm("input_layernorm", x));
        x = add(d.b.named("attention_residual"), x, norm("post_attention_layernorm", attended));
        const Value fed = d.gated_mlp(norm("pre_feedforward_layernorm", x));
        return add(d.b.named("mlp_residual"), x, norm("post_feedforward_layernorm", fed));
    });
}

/// `attention_softcap`: empty for Gemma 3, whose key of that name transformers keeps and never reads.
constexpr ConfigKeys keys(std::string_view attention_softcap) {
    return {.activation = "hidden_activation",
            .query_scalar = "query_pre_attn_scalar",
            .attention_softcap = attention_softcap,
            .logit_softcap = "final_logit_softcapping"};
}

}  // namespace

const Architecture kGemma2{
    .name = "Gemma2ForCausalLM",
    .model_type = "gemma2",
    .build = build<false>,
    .keys = keys("attn_logit_softcapping"),
    .n_kv_heads = 4,
    .head_dim = 256,
    .max_positions = 8192,
    .activation = Activation::gelu_tanh,
    .tie_word_embeddings = true,
    .bos_token_id = 2,
    .eos_token_id = 1,
    .pad_token_id = 0,
    .query_scalar = 256,
    .attention_softcap = 50,
    .logit_softcap = 30,
    .has_attention_bias = true,
    .sliding = {.has_window = true, .window = 4096, .has_layer_types = true, .full_every = 2},
    .scales_embedding = true,
    .norm_from_one = true,
};

const Architecture kGemma3{
    .name = "Gemma3ForCausalLM",
    .model_type = "gemma3_text",
    .build = build<true>,
    .keys = keys({}),
    .n_kv_heads = 4,
    .head_dim = 256,
    .max_positions = 131072,
    .activation = Activation::gelu_tanh,
    .tie_word_embeddings = true,
    .bos_token_id = 2,
    .eos_token_id = 1,
    .pad_token_id = 0,
    .query_scalar = 256,
    .has_attention_bias = true,
    .sliding = {.has_window = true,
                .window = 4096,
                .has_layer_types = true,
                .full_every = 6,
                .full_every_key = "sliding_window_pattern"},
    .rope = {.theta = 1e6, .local_theta = 1e4, .local_theta_key = "rope_local_base_freq"},
    .scales_embedding = true,
    .norm_from_one = true,
};

}  // namespace vitro
