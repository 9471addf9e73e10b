#include "models/decoder.h"

#include "base/blocks.h"
#include "ops/add/add.h"
#include "ops/add_mask/add_mask.h"
#include "ops/attention_mask/attention_mask.h"
#include "ops/cast/cast.h"
#include "ops/dequantize/dequantize.h"
#include "ops/embed/embed.h"
#include "ops/gather_rows/gather_rows.h"
#include "ops/gelu/gelu.h"
#include "ops/kv_append/kv_append.h"
#include "ops/kv_gather/kv_gather.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/masked_matmul/masked_matmul.h"
#include "ops/matmul/matmul.h"
#include "ops/mul/mul.h"
#include "ops/position_scale/position_scale.h"
#include "ops/relu/relu.h"
#include "ops/repeat/repeat.h"
#include "ops/reshape/reshape.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/rope/rope.h"
#include "ops/sample/sample.h"
#include "ops/silu/silu.h"
#include "ops/slice/slice.h"
#include "ops/softcap/softcap.h"
#include "ops/softmax/softmax.h"
#include "ops/transpose/transpose.h"

#include <algorithm>
#include <cmath>

namespace vitro {

Decoder::Decoder(const ModelConfig& config, const BuildOptions& options)
    : b(config.architecture), c(config), options_(options) {
    for (const auto& [symbol, bound] : options.bounds()) b.symbol(symbol, bound);
    const auto input = [&](const char* name, Shape shape) { return b.input(name, {DType::i32, std::move(shape)}); };
    tokens_ = input("tokens", {'T'});
    positions_ = input("positions", {'T'});
    sequences_ = input("sequences", {'T'});
    page_table_ = input("page_table", {'S', options.pages_per_sequence()});
    lengths_ = input("lengths", {'S'});
    rows_ = input("rows", {'R'});
    if (config.rope_by_length() != nullptr) rope_lengths_ = input("rope_lengths", {'S'});
    for (const LayerConfig& layer : config.layers) {
        const Visibility visibility = visibility_of(c, layer);
        if (mask_of(layer).is_given()) continue;
        const char* const kind = !visibility.is_range()  ? (visibility.summary > 0 ? "fixed" : "strided")
                                 : visibility.window > 0 ? "sliding"
                                                         : "full";
        const At at = masks_.empty() ? At(b) : b.named(fmt::format("attention_mask.{}", kind));
        masks_.emplace_back(visibility,
                            attention_mask(at, positions_, sequences_, lengths_, {.visibility = visibility}));
    }
    if (config.query_scale_beta != 0) {
        const PositionScale by{static_cast<float>(config.query_scale_beta), config.original_max_positions};
        query_scales_ = reshape(b, position_scale(b.named("query_scale"), positions_, by), {'T', 1, 1});
    }
}

/// Absent where there is none yet.
Value Decoder::mask_of(const LayerConfig& layer) const {
    for (const auto& [visibility, mask] : masks_)
        if (visibility == visibility_of(c, layer)) return mask;
    return {};
}

DType Decoder::weight_dtype(std::string_view path) const {
    return options_.weight_dtype ? options_.weight_dtype(path) : c.dtype.value_or(DType::bf16);
}

Value Decoder::weight(const char* name, Shape shape, std::int64_t paired_heads) {
    const DType dtype = weight_dtype(b.path(name));
    Value rows = b.weight(name, {dtype, std::move(shape)});
    if (paired_heads > 0) rows = in_halves(rows, paired_heads);
    return is_block_quantized(dtype) ? dequantize(b.named(fmt::format("{}.dequantized", name)), rows) : rows;
}

/// [heads * head_dim, ...], where row 2 i + j of a head becomes row j * head_dim / 2 + i.
Value Decoder::in_halves(Value weight, std::int64_t heads) {
    const Shape shape = b.type(weight).shape;
    Shape pairs{heads, shape[0].size / heads / 2, 2};
    std::vector<std::int64_t> permutation{0, 2, 1};
    if (shape.size() == 2) {
        pairs.push_back(shape[1]);
        permutation.push_back(3);
    }
    return reshape(b, transpose(b, reshape(b, weight, pairs), permutation), shape);
}

Value Decoder::embedding(std::string_view name) {
    {
        const auto scope = b.scope(name, "Embedding", fmt::format("{}, {}", c.vocab_size, c.hidden_size));
        table_ = weight("weight", {c.vocab_size, c.hidden_size});
    }
    const Value x = embed(b.named(std::string(name)), tokens_, table_, {.dtype = options_.activation});
    if (c.embedding_scale == 1) return x;
    return mul(b.named(fmt::format("{}.scaled", name)), x, b.constant(static_cast<float>(c.embedding_scale)));
}

Value Decoder::position_embedding(std::string_view name) {
    const std::int64_t first = c.first_position_row, rows = first + c.max_positions;
    Value table;
    {
        const auto scope = b.scope(name, "Embedding", fmt::format("{}, {}", rows, c.hidden_size));
        table = weight("weight", {rows, c.hidden_size});
        if (first > 0) table = slice(b.named("weight.used"), table, {.axis = 0, .begin = first, .end = rows});
    }
    return embed(b.named(std::string(name)), positions_, table, {.dtype = options_.activation});
}

Value Decoder::first_token_type(std::string_view name) {
    const auto scope = b.scope(name, "Embedding", fmt::format("{}, {}", c.n_token_types, c.hidden_size));
    return slice(b.named("first"), weight("weight", {c.n_token_types, c.hidden_size}),
                 {.axis = 0, .begin = 0, .end = 1});
}

Value Decoder::linear(At at, std::string_view name, Value x, std::int64_t out, bool bias) {
    return linear_of(at, name, x, out, bias, 0);
}

Value Decoder::linear_to_heads(At at, std::string_view name, Value x, std::int64_t heads, std::int64_t head_dim,
                               bool bias) {
    return linear_of(at, name, x, heads * head_dim, bias, c.paired_rows ? heads : 0);
}

Value Decoder::linear_of(At at, std::string_view name, Value x, std::int64_t out, bool bias,
                         std::int64_t paired_heads) {
    const std::int64_t in = b.type(x).shape.back().size;
    Value matrix, bias_value;
    {
        const auto scope = b.scope(
            name, "Linear", fmt::format("in_features={}, out_features={}, bias={}", in, out, bias ? "True" : "False"));
        matrix = weight("weight", {out, in}, paired_heads);
        if (bias) bias_value = weight("bias", {out}, paired_heads);
    }
    const Value y = matmul(at.named(std::string(name)), x, matrix, {.transpose_b = true});
    return bias ? add(at.named(fmt::format("{}.add_bias", name)), y, bias_value) : y;
}

Value Decoder::norm(At at, std::string_view name, std::string_view type, Value x) {
    const std::int64_t size = b.type(x).shape.back().size;
    Value scale;
    {
        const auto scope = b.scope(name, type, fmt::format("({},), eps={}", size, c.norm_eps));
        scale = weight("weight", {size});
        if (c.norm_from_one) {
            // In fp32: half a precision would round what is near 1.
            if (b.type(scale).dtype != DType::f32) scale = cast(b.named("weight.f32"), scale, {.dtype = DType::f32});
            scale = add(b.named("weight.from_one"), scale, b.constant(1.0f));
        }
    }
    return rms_norm(at.named(std::string(name)), x, scale, {.eps = static_cast<float>(c.norm_eps)});
}

Value Decoder::layer_norm(At at, std::string_view name, Value x) {
    const std::int64_t size = b.type(x).shape.back().size;
    Value scale, bias;
    {
        const auto scope = b.scope(name, "LayerNorm", fmt::format("({},), eps={}", size, c.norm_eps));
        scale = weight("weight", {size});
        if (c.norm_bias) bias = weight("bias", {size});
    }
    return vitro::layer_norm(at.named(std::string(name)), x, scale, {.eps = static_cast<float>(c.norm_eps)}, bias);
}

Value Decoder::conv1d(At at, std::string_view name, Value x, std::int64_t out) {
    const std::int64_t in = b.type(x).shape.back().size;
    Value matrix, bias;
    {
        const auto scope = b.scope(name, "Conv1D", fmt::format("nf={}, nx={}", out, in));
        matrix = weight("weight", {in, out});
        bias = weight("bias", {out});
    }
    const Value y = matmul(at.named(std::string(name)), x, matrix, {});
    return add(at.named(fmt::format("{}.add_bias", name)), y, bias);
}

Value Decoder::activation(At at, Value x) {
    at.name = "act_fn";
    switch (c.hidden_act) {
        case Activation::silu:
            return silu(at, x);
        case Activation::gelu:
            return gelu(at, x);
        case Activation::gelu_tanh:
            return gelu(at, x, {.tanh = true});
        case Activation::relu:
            break;
    }
    return relu(at, x);
}

Value Decoder::gated_mlp(Value x) {
    const auto scope = b.scope("mlp", family() + "MLP");
    const Value gate = linear(b, "gate_proj", x, c.intermediate_size, c.mlp_bias);
    const Value up = linear(b, "up_proj", x, c.intermediate_size, c.mlp_bias);
    const Value gated = mul(b.named("gated"), activation(b, gate), up);
    return linear(b, "down_proj", gated, c.hidden_size, c.mlp_bias);
}

Value Decoder::heads(std::string_view name, Value x, std::int64_t n) {
    const Shape& shape = b.type(x).shape;
    return shape.size() == 3 ? x : reshape(b.named(std::string(name)), x, {'T', n, shape[1].size / n});
}

Value Decoder::rotate(At at, const LayerConfig& layer, Value x) {
    if (layer.rope == LayerConfig::kNoRope) return x;
    const Rope& by = c.ropes.at(static_cast<std::size_t>(layer.rope));
    RopeAttributes rope{.theta = static_cast<float>(by.theta),
                        .rotary_dim = by.rotary_dim == layer.head_dim ? 0 : by.rotary_dim,
                        .attention_scale = by.attention_factor};
    const auto is_one = [](float factor) { return factor == 1; };
    if (!std::all_of(by.short_factor.begin(), by.short_factor.end(), is_one)) rope.short_factor = by.short_factor;
    if (by.is_static()) return vitro::rope(at, x, positions_, std::move(rope));
    rope.long_factor = by.long_factor;
    rope.original_max = by.original_max_positions;
    return vitro::rope(at, x, positions_, std::move(rope), sequences_, rope_lengths_);
}

Value Decoder::cached(std::string_view name, const LayerConfig& layer, Value x) {
    const Value cache =
        b.state(name, {options_.cache, {options_.cache_pages(), options_.page_size, layer.n_kv_heads, layer.head_dim}});
    const Value next =
        kv_append(b.named(fmt::format("{}.append", name)), cache, x, positions_, sequences_, page_table_);
    b.update(cache, next);
    Value all =
        kv_gather(b.named(fmt::format("{}.all", name)), next, page_table_, lengths_, {.dtype = options_.activation});
    all = transpose(b, all, {1, 0, 2});  // [n_kv_heads, C, head_dim]
    if (layer.n_kv_heads == c.n_heads) return all;
    return repeat(b, all, {.axis = 0, .times = c.n_heads / layer.n_kv_heads});
}

Value Decoder::attention(const LayerConfig& layer, Value q, Value k, Value v, Value sinks) {
    q = rotate(b.named("q_rope"), layer, heads("q_heads", q, c.n_heads));
    k = rotate(b.named("k_rope"), layer, heads("k_heads", k, layer.n_kv_heads));
    if (query_scales_.is_given()) q = mul(b.named("q_scaled"), q, query_scales_);
    const Value keys = cached("k_cache", layer, k);  // [n_heads, C, head_dim]
    const Value values = cached("v_cache", layer, heads("v_heads", v, layer.n_kv_heads));

    q = transpose(b, q, {1, 0, 2});                                            // [n_heads, T, head_dim]
    Value scores = matmul(b.named("scores"), q, keys, {.transpose_b = true});  // [n_heads, T, C]
    const float scale = c.attention_scale > 0 ? static_cast<float>(c.attention_scale)
                                              : 1.0f / std::sqrt(static_cast<float>(layer.head_dim));
    scores = mul(b.named("scaled_scores"), scores, b.constant(scale));
    if (c.attention_softcap > 0)
        scores = softcap(b.named("capped_scores"), scores, {.cap = static_cast<float>(c.attention_softcap)});
    scores = add_mask(b.named("masked_scores"), scores, mask_of(layer));
    const Value weights = softmax(b.named("attention_weights"), scores, sinks);
    Value out = masked_matmul(b.named("attended"), weights, values, mask_of(layer));  // [n_heads, T, head_dim]
    out = transpose(b, out, {1, 0, 2});
    return reshape(b.named("attention"), out, {'T', c.n_heads * layer.head_dim});
}

Graph Decoder::model(const Layer& layer, LastNorm last) {
    const auto root = b.scope("", c.architecture);
    Value x;
    {
        const auto model = b.scope("model", family() + "Model");
        x = embedding("embed_tokens");
        {
            const auto list = b.scope("layers", "ModuleList");
            for (std::size_t i = 0; i < c.layers.size(); ++i) {
                const auto scope = b.scope(std::to_string(i), family() + "DecoderLayer");
                x = layer(*this, c.layers[i], x);
            }
        }
        x = last == LastNorm::rms ? norm(b, "norm", family() + "RMSNorm", x) : layer_norm(b, "norm", x);
    }
    return finish(x);
}

/// The rows of `x` that are wanted, in f32, by this name.
Value Decoder::wanted_rows(const std::string& name, Value x) {
    const bool is_f32 = options_.activation == DType::f32;
    x = gather_rows(b.named(is_f32 ? name : name + ".rows"), x, rows_);
    return is_f32 ? x : cast(b.named(name), x, {.dtype = DType::f32});
}

Value Decoder::vocabulary_logits(At at, Value hidden, const char* bias) {
    const bool is_tied = c.tie_word_embeddings;
    const Value scores = is_tied ? matmul(at.named("decoder"), hidden, table_, {.transpose_b = true})
                                 : linear(at, "decoder", hidden, c.vocab_size);
    if (bias == nullptr) return scores;
    return add(at.named("decoder.add_bias"), scores, weight(is_tied ? bias : "decoder.bias", {c.vocab_size}));
}

Graph Decoder::finish(Value hidden) {
    Value logits;
    if (c.head == Head::language_model)
        logits = c.tie_word_embeddings ? matmul(b.named("lm_head"), hidden, table_, {.transpose_b = true})
                                       : linear(b, "lm_head", hidden, c.vocab_size);
    else if (c.head != Head::none)
        logits = linear(b, "score", hidden, c.n_outputs(), c.head == Head::token_labels);
    return finish(logits, hidden);
}

Graph Decoder::finish(Value logits, Value hidden) {
    if (logits.is_given()) {
        const bool is_scaled = c.logit_scale != 1, is_capped = c.logit_softcap > 0;
        logits = wanted_rows(is_scaled || is_capped ? "lm_head.wanted" : "logits", logits);
        if (is_scaled)
            logits = mul(b.named(is_capped ? "lm_head.scaled" : "logits"), logits,
                         b.constant(static_cast<float>(c.logit_scale)));
        if (is_capped) logits = softcap(b.named("logits"), logits, {.cap = static_cast<float>(c.logit_softcap)});
        b.result(logits);
    }
    if (options_.hidden_states || !logits.is_given()) b.result(wanted_rows("hidden_states", hidden));
    if (options_.choose_tokens) {
        const Value options = b.input("sample_options", {DType::f32, {'R', SampleRow::kOptions}});
        const Value integers = b.input("sample_integers", {DType::i32, {'R', SampleRow::kIntegers}});
        b.result(sample(b.named("next_tokens"), logits, options, integers));
    }
    return b.finish();
}

}  // namespace vitro
