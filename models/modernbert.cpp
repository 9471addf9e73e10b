#include "models/modernbert.h"

#include "models/decoder.h"
#include "ops/add/add.h"
#include "ops/gelu/gelu.h"
#include "ops/mul/mul.h"
#include "ops/split/split.h"

namespace vitro {
namespace {

Value attention(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scope = d.b.scope("attn", "ModernBertAttention");
    const std::int64_t size = d.c.hidden_size;
    const Value qkv = d.linear(d.b, "Wqkv", x, 3 * size, d.c.attention_bias);
    const auto parts = split(d.b.named("qkv"), qkv, {.axis = 1, .sizes = {size, size, size}});
    return d.linear(d.b, "Wo", d.attention(layer, parts[0], parts[1], parts[2]), size, d.c.attention_bias);
}

Value mlp(Decoder& d, Value x) {
    const auto scope = d.b.scope("mlp", "ModernBertMLP");
    const std::int64_t size = d.c.intermediate_size;
    const Value both = d.linear(d.b, "Wi", x, 2 * size, d.c.mlp_bias);
    const auto parts = split(d.b.named("gate_up"), both, {.axis = 1, .sizes = {size, size}});
    const Value gated = mul(d.b.named("gated"), d.activation(d.b, parts[0]), parts[1]);
    return d.linear(d.b, "Wo", gated, d.c.hidden_size, d.c.mlp_bias);
}

Value prediction_head(Decoder& d, Value x) {
    const auto scope = d.b.scope("head", "ModernBertPredictionHead");
    const Value dense = d.linear(d.b, "dense", x, d.c.hidden_size, d.c.head_bias);
    return d.layer_norm(d.b, "norm", gelu(d.b.named("activation"), dense));
}

/// Of each token; a text's is that of its first one, which stands for all of it.
Value logits_of(Decoder& d, Value x) {
    if (d.c.head == Head::none) return {};
    x = prediction_head(d, x);
    if (d.c.head == Head::language_model)
        return d.vocabulary_logits(d.b, x, d.c.decoder_bias ? "decoder.bias" : nullptr);
    return d.linear(d.b, "classifier", x, d.c.n_outputs(), true);
}

Graph build(const ModelConfig& config, const BuildOptions& options) {
    Decoder d(config, options);
    const auto root = d.b.scope("", config.architecture);
    Value x;
    {
        const auto model = d.b.scope("model", "ModernBertModel");
        {
            const auto embeddings = d.b.scope("embeddings", "ModernBertEmbeddings");
            x = d.layer_norm(d.b, "norm", d.embedding("tok_embeddings"));
        }
        {
            const auto layers = d.b.scope("layers", "ModuleList");
            for (std::size_t i = 0; i < config.layers.size(); ++i) {
                const auto scope = d.b.scope(std::to_string(i), "ModernBertEncoderLayer");
                const Value normed = i == 0 ? x : d.layer_norm(d.b, "attn_norm", x);  // the embedding is normed already
                x = add(d.b.named("attention_residual"), x, attention(d, config.layers[i], normed));
                x = add(d.b.named("mlp_residual"), x, mlp(d, d.layer_norm(d.b, "mlp_norm", x)));
            }
        }
        x = d.layer_norm(d.b, "final_norm", x);
    }
    return d.finish(logits_of(d, x), x);
}

}  // namespace

const Architecture kModernBert{
    .name = "ModernBertForMaskedLM",
    .model_type = "modernbert",
    .build = build,
    .keys = {.norm_eps = "norm_eps",
             .activation = "hidden_activation",
             .norm_bias = "norm_bias",
             .head_bias = "classifier_bias",
             .decoder_bias = "decoder_bias"},
    .max_positions = 8192,
    .norm_eps = 1e-5,
    .activation = Activation::gelu,
    .tie_word_embeddings = true,
    .bos_token_id = 50281,
    .eos_token_id = 50282,
    .pad_token_id = 50283,
    .has_attention_bias = true,
    .has_mlp_bias = true,
    .sliding = {.has_window = true,
                .window_key = "local_attention",
                .has_both_sides = true,
                .window = 128,
                .has_layer_types = true,
                .full_every = 3,
                .full_every_key = "global_attn_every_n_layers",
                .first_is_full = true},
    .rope = {.theta = 160000,
             .theta_key = "global_rope_theta",
             .local_theta = 10000,
             .local_theta_key = "local_rope_theta"},
    .is_causal = false,
    .table = "model.embeddings.tok_embeddings.weight",
    .head = "decoder.weight",
    .spare_tensors = {"decoder.weight"},
};

}  // namespace vitro
