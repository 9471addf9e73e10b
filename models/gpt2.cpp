#include "models/gpt2.h"

#include "models/decoder.h"
#include "ops/add/add.h"
#include "ops/split/split.h"

namespace vitro {
namespace {

Value attention(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scope = d.b.scope("attn", "GPT2Attention");
    const std::int64_t size = d.c.hidden_size;
    const Value qkv = d.conv1d(d.b, "c_attn", x, 3 * size);
    const auto parts = split(d.b.named("qkv"), qkv, {.axis = 1, .sizes = {size, size, size}});
    return d.conv1d(d.b, "c_proj", d.attention(layer, parts[0], parts[1], parts[2]), size);
}

Value mlp(Decoder& d, Value x) {
    const auto scope = d.b.scope("mlp", "GPT2MLP");
    const Value inner = d.activation(d.b, d.conv1d(d.b, "c_fc", x, d.c.intermediate_size));
    return d.conv1d(d.b, "c_proj", inner, d.c.hidden_size);
}

Value block(Decoder& d, const LayerConfig& layer, Value x) {
    x = add(d.b.named("attention_residual"), x, attention(d, layer, d.layer_norm(d.b, "ln_1", x)));
    return add(d.b.named("mlp_residual"), x, mlp(d, d.layer_norm(d.b, "ln_2", x)));
}

Graph build(const ModelConfig& config, const BuildOptions& options) {
    Decoder d(config, options);
    const auto root = d.b.scope("", config.architecture);
    Value x;
    {
        const auto model = d.b.scope("transformer", "GPT2Model");
        const Value words = d.embedding("wte");
        x = add(d.b.named("embedded"), words, d.position_embedding("wpe"));
        {
            const auto blocks = d.b.scope("h", "ModuleList");
            for (std::size_t i = 0; i < config.layers.size(); ++i) {
                const auto scope = d.b.scope(std::to_string(i), "GPT2Block");
                x = block(d, config.layers[i], x);
            }
        }
        x = d.layer_norm(d.b, "ln_f", x);
    }
    return d.finish(x);
}

}  // namespace

const Architecture kGpt2{
    .name = "GPT2LMHeadModel",
    .model_type = "gpt2",
    .build = build,
    .keys = {.hidden_size = "n_embd",
             .intermediate_size = "n_inner",
             .n_layers = "n_layer",
             .n_heads = "n_head",
             .max_positions = "n_positions",
             .norm_eps = "layer_norm_epsilon",
             .activation = "activation_function"},
    .intermediate_by_hidden = 4,
    .max_positions = 1024,
    .norm_eps = 1e-5,
    .activation = Activation::gelu_tanh,
    .tie_word_embeddings = true,
    .bos_token_id = 50256,
    .eos_token_id = 50256,
    .rope = {.none_every = 1},
    .table = "transformer.wte.weight",
    .spare_tensors = {".attn.bias", ".attn.masked_bias", "lm_head.weight"},
};

}  // namespace vitro
