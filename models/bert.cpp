#include "models/bert.h"

#include "models/decoder.h"
#include "ops/add/add.h"
#include "ops/gelu/gelu.h"
#include "ops/softcap/softcap.h"

namespace vitro {
namespace {

Value embeddings(Decoder& d) {
    const auto scope = d.b.scope("embeddings", d.family() + "Embeddings");
    Value x = d.embedding("word_embeddings");
    if (d.c.n_token_types > 0) x = add(d.b.named("with_type"), x, d.first_token_type("token_type_embeddings"));
    x = add(d.b.named("with_position"), x, d.position_embedding("position_embeddings"));
    return d.layer_norm(d.b, "LayerNorm", x);
}

/// LayerNorm(residual + dense(x))
Value output(Decoder& d, const std::string& type, Value x, Value residual) {
    const auto scope = d.b.scope("output", d.family() + type);
    const Value sum = add(d.b.named("residual"), residual, d.linear(d.b, "dense", x, d.c.hidden_size, true));
    return d.layer_norm(d.b, "LayerNorm", sum);
}

Value attention(Decoder& d, const LayerConfig& layer, Value x) {
    const auto scope = d.b.scope("attention", d.family() + "Attention");
    Value attended;
    {
        const auto self = d.b.scope("self", d.family() + "SelfAttention");
        const Value q = d.linear(d.b, "query", x, d.c.hidden_size, true);
        const Value k = d.linear(d.b, "key", x, d.c.hidden_size, true);
        const Value v = d.linear(d.b, "value", x, d.c.hidden_size, true);
        attended = d.attention(layer, q, k, v);
    }
    return output(d, "SelfOutput", attended, x);
}

Value encoder_layer(Decoder& d, const LayerConfig& layer, Value x) {
    const Value attended = attention(d, layer, x);
    Value inner;
    {
        const auto scope = d.b.scope("intermediate", d.family() + "Intermediate");
        inner = d.activation(d.b, d.linear(d.b, "dense", attended, d.c.intermediate_size, true));
    }
    return output(d, "Output", inner, attended);
}

Value tanh(At at, Value x) { return softcap(at, x, {.cap = 1}); }

/// Of each token; a text's is that of its first one, which stands for all of it.
Value bert_logits(Decoder& d, Value x) {
    if (d.c.head == Head::sequence_labels) {
        {
            const auto scope = d.b.scope("bert.pooler", "BertPooler");
            x = tanh(d.b.named("activation"), d.linear(d.b, "dense", x, d.c.hidden_size, true));
        }
        return d.linear(d.b, "classifier", x, d.c.n_outputs(), true);
    }
    if (d.c.head == Head::token_labels) return d.linear(d.b, "classifier", x, d.c.n_outputs(), true);
    if (d.c.head == Head::none) return {};
    const auto cls = d.b.scope("cls", "BertOnlyMLMHead");
    const auto scope = d.b.scope("predictions", "BertLMPredictionHead");
    {
        const auto transform = d.b.scope("transform", "BertPredictionHeadTransform");
        x = d.layer_norm(d.b, "LayerNorm", d.activation(d.b, d.linear(d.b, "dense", x, d.c.hidden_size, true)));
    }
    return d.vocabulary_logits(d.b, x);
}

Value roberta_logits(Decoder& d, Value x) {
    if (d.c.head == Head::sequence_labels) {
        const auto scope = d.b.scope("classifier", "RobertaClassificationHead");
        x = tanh(d.b.named("activation"), d.linear(d.b, "dense", x, d.c.hidden_size, true));
        return d.linear(d.b, "out_proj", x, d.c.n_outputs(), true);
    }
    if (d.c.head == Head::token_labels) return d.linear(d.b, "classifier", x, d.c.n_outputs(), true);
    if (d.c.head == Head::none) return {};
    const auto scope = d.b.scope("lm_head", "RobertaLMHead");
    x = gelu(d.b.named("activation"), d.linear(d.b, "dense", x, d.c.hidden_size, true));
    return d.vocabulary_logits(d.b, d.layer_norm(d.b, "layer_norm", x));
}

template <Value (*logits)(Decoder&, Value)>
Graph build(const ModelConfig& config, const BuildOptions& options) {
    Decoder d(config, options);
    const auto root = d.b.scope("", config.architecture);
    Value x;
    {
        const auto model = d.b.scope(logits == bert_logits ? "bert" : "roberta", d.family() + "Model");
        x = embeddings(d);
        {
            const auto encoder = d.b.scope("encoder", d.family() + "Encoder");
            const auto layers = d.b.scope("layer", "ModuleList");
            for (std::size_t i = 0; i < config.layers.size(); ++i) {
                const auto scope = d.b.scope(std::to_string(i), d.family() + "Layer");
                x = encoder_layer(d, config.layers[i], x);
            }
        }
    }
    return d.finish(logits(d, x), x);
}

/// Buffers of old checkpoints, the parts of heads that are not asked for, and the repetition of a tied head.
const std::vector<std::string_view> kSpare{
    "position_ids", "pooler.dense.weight",       "pooler.dense.bias", "cls.seq_relationship.weight", "decoder.weight",
    "decoder.bias", "cls.seq_relationship.bias", "lm_head.bias",      "cls.predictions.bias"};

const Architecture kRobertaRow{
    .name = "RobertaForMaskedLM",
    .model_type = "roberta",
    .build = build<roberta_logits>,
    .keys = {.norm_eps = "layer_norm_eps"},
    .max_positions = 512,
    .norm_eps = 1e-12,
    .activation = Activation::gelu,
    .tie_word_embeddings = true,
    .bos_token_id = 0,
    .eos_token_id = 2,
    .pad_token_id = 1,
    .rope = {.none_every = 1},
    .is_causal = false,
    .skips_padding_rows = true,
    .n_token_types = 2,
    .table = "roberta.embeddings.word_embeddings.weight",
    .head = "lm_head.decoder.weight",
    .spare_tensors = kSpare,
};

Architecture xlm_roberta() {
    Architecture row = kRobertaRow;
    row.name = "XLMRobertaForMaskedLM";
    row.model_type = "xlm-roberta";
    return row;
}

}  // namespace

const Architecture kBert{
    .name = "BertForMaskedLM",
    .model_type = "bert",
    .build = build<bert_logits>,
    .keys = {.norm_eps = "layer_norm_eps"},
    .max_positions = 512,
    .norm_eps = 1e-12,
    .activation = Activation::gelu,
    .tie_word_embeddings = true,
    .bos_token_id = {},
    .eos_token_id = {},
    .pad_token_id = 0,
    .rope = {.none_every = 1},
    .is_causal = false,
    .n_token_types = 2,
    .table = "bert.embeddings.word_embeddings.weight",
    .head = "cls.predictions.decoder.weight",
    .spare_tensors = kSpare,
};

const Architecture kRoberta = kRobertaRow;
const Architecture kXlmRoberta = xlm_roberta();

}  // namespace vitro
