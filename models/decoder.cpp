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
#include "ops/masked_matmul/masked_matmul.h"
#include "ops/matmul/matmul.h"
#include "ops/mul/mul.h"
#include "ops/relu/relu.h"
#include "ops/repeat/repeat.h"
#include "ops/reshape/reshape.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/rope/rope.h"
#include "ops/sample/sample.h"
#include "ops/silu/silu.h"
#include "ops/softmax/softmax.h"
#include "ops/transpose/transpose.h"

#include <algorithm>
#include <cmath>

namespace vitro {

Decoder::Decoder(const ModelConfig& config, const BuildOptions& options)
    : b(config.architecture), c(config), options_(options) {
    b.symbol('T', options.max_tokens);
    b.symbol('R', options.max_rows);
    b.symbol('S', options.max_sequences);
    b.symbol('C', options.max_sequences * options.pages_per_sequence() * options.page_size);
    const auto input = [&](const char* name, Shape shape) { return b.input(name, {DType::i32, std::move(shape)}); };
    tokens_ = input("tokens", {'T'});
    positions_ = input("positions", {'T'});
    sequences_ = input("sequences", {'T'});
    page_table_ = input("page_table", {'S', options.pages_per_sequence()});
    lengths_ = input("lengths", {'S'});
    rows_ = input("rows", {'R'});
    if (!config.rope.is_static()) rope_lengths_ = input("rope_lengths", {'S'});
    mask_ = attention_mask(b, positions_, sequences_, lengths_, {.visibility = {.window = config.sliding_window}});
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
    Shape pairs{heads, c.head_dim / 2, 2};
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
    return embed(b.named(std::string(name)), tokens_, table_, {.dtype = options_.activation});
}

Value Decoder::linear(At at, std::string_view name, Value x, std::int64_t in, std::int64_t out, bool bias) {
    return linear_of(at, name, x, in, out, bias, 0);
}

Value Decoder::linear_to_heads(At at, std::string_view name, Value x, std::int64_t heads, bool bias) {
    return linear_of(at, name, x, c.hidden_size, heads * c.head_dim, bias, c.paired_rows ? heads : 0);
}

Value Decoder::linear_of(At at, std::string_view name, Value x, std::int64_t in, std::int64_t out, bool bias,
                         std::int64_t paired_heads) {
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
    Value scale;
    {
        const auto scope = b.scope(name, type, fmt::format("({},), eps={}", c.hidden_size, c.rms_norm_eps));
        scale = weight("weight", {c.hidden_size});
    }
    return rms_norm(at.named(std::string(name)), x, scale, {.eps = static_cast<float>(c.rms_norm_eps)});
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

Value Decoder::rotate(At at, Value x) {
    RopeAttributes rope{.theta = static_cast<float>(c.rope.theta),
                        .rotary_dim = c.rope.rotary_dim == c.head_dim ? 0 : c.rope.rotary_dim,
                        .attention_scale = c.rope.attention_factor};
    const auto is_one = [](float factor) { return factor == 1; };
    if (!std::all_of(c.rope.short_factor.begin(), c.rope.short_factor.end(), is_one))
        rope.short_factor = c.rope.short_factor;
    if (!rope_lengths_.is_given()) return vitro::rope(at, x, positions_, std::move(rope));
    rope.long_factor = c.rope.long_factor;
    rope.original_max = c.rope.original_max_positions;
    return vitro::rope(at, x, positions_, std::move(rope), sequences_, rope_lengths_);
}

Value Decoder::cached(std::string_view name, Value x) {
    const Value cache =
        b.state(name, {options_.cache, {options_.cache_pages(), options_.page_size, c.n_kv_heads, c.head_dim}});
    const Value next =
        kv_append(b.named(fmt::format("{}.append", name)), cache, x, positions_, sequences_, page_table_);
    b.update(cache, next);
    Value all =
        kv_gather(b.named(fmt::format("{}.all", name)), next, page_table_, lengths_, {.dtype = options_.activation});
    all = transpose(b, all, {1, 0, 2});  // [n_kv_heads, C, head_dim]
    if (c.n_kv_heads == c.n_heads) return all;
    return repeat(b, all, {.axis = 0, .times = c.heads_per_kv_head()});
}

Value Decoder::attention(Value q, Value k, Value v) {
    const auto heads = [&](const char* name, Value x, std::int64_t n) {
        return reshape(b.named(name), x, {'T', n, c.head_dim});
    };
    q = rotate(b.named("q_rope"), heads("q_heads", q, c.n_heads));
    k = rotate(b.named("k_rope"), heads("k_heads", k, c.n_kv_heads));
    const Value keys = cached("k_cache", k);  // [n_heads, C, head_dim]
    const Value values = cached("v_cache", heads("v_heads", v, c.n_kv_heads));

    q = transpose(b, q, {1, 0, 2});                                            // [n_heads, T, head_dim]
    Value scores = matmul(b.named("scores"), q, keys, {.transpose_b = true});  // [n_heads, T, C]
    const Value scale = b.constant(1.0f / std::sqrt(static_cast<float>(c.head_dim)));
    scores = mul(b.named("scaled_scores"), scores, scale);
    scores = add_mask(b.named("masked_scores"), scores, mask_);
    const Value weights = softmax(b.named("attention_weights"), scores);
    Value out = masked_matmul(b.named("attended"), weights, values, mask_);  // [n_heads, T, head_dim]
    out = transpose(b, out, {1, 0, 2});
    return reshape(b.named("attention"), out, {'T', c.n_heads * c.head_dim});
}

Graph Decoder::finish(Value hidden) {
    const bool is_f32 = options_.activation == DType::f32;
    const auto wanted_rows = [&](const std::string& name, Value x) {
        x = gather_rows(b.named(is_f32 ? name : name + ".rows"), x, rows_);
        return is_f32 ? x : cast(b.named(name), x, {.dtype = DType::f32});
    };
    Value logits;
    if (c.tie_word_embeddings)
        logits = matmul(b.named("lm_head"), hidden, table_, {.transpose_b = true});
    else
        logits = linear(b, "lm_head", hidden, c.hidden_size, c.vocab_size);
    logits = wanted_rows("logits", logits);
    b.result(logits);
    if (options_.hidden_states) b.result(wanted_rows("hidden_states", hidden));
    if (options_.choose_tokens) {
        const Value options = b.input("sample_options", {DType::f32, {'R', SampleRow::kOptions}});
        const Value integers = b.input("sample_integers", {DType::i32, {'R', SampleRow::kIntegers}});
        b.result(sample(b.named("next_tokens"), logits, options, integers));
    }
    return b.finish();
}

}  // namespace vitro
