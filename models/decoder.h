// The parts that transformers share, decoders and encoders alike, each one equation of the paper.
#pragma once

#include "graph/builder.h"
#include "models/layer_visibility.h"
#include "models/model.h"

#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace vitro {

class Decoder {
public:
    /// Declares the symbols and the inputs of the step. `config` and `options` must outlive it.
    Decoder(const ModelConfig& config, const BuildOptions& options);

    Builder b;
    const ModelConfig& c;

    /// "Llama" of LlamaForCausalLM: what the names of its modules' types begin with.
    std::string family() const { return std::string(family_of(c.architecture)); }

    /// table[tokens] * embedding_scale: [T, hidden_size]. `table` is kept for a tied head.
    Value embedding(std::string_view name);
    /// table[positions]: [T, hidden_size], of learned positions.
    Value position_embedding(std::string_view name);
    /// table[0]: [1, hidden_size]. All tokens are of the first type.
    Value first_token_type(std::string_view name);
    /// x · weightᵀ (+ bias). x: [T, in]; weight: [out, in].
    Value linear(At at, std::string_view name, Value x, std::int64_t out, bool bias = false);
    /// The same, of which the outputs are so many heads to be turned by rope: rows that stand in pairs are put in
    /// halves.
    Value linear_to_heads(At at, std::string_view name, Value x, std::int64_t heads, std::int64_t head_dim,
                          bool bias = false);
    /// x / rms(x) * weight over the last dimension, with norm_from_one * (1 + weight).
    Value norm(At at, std::string_view name, std::string_view type, Value x);
    /// (x - mean) / sqrt(variance + eps) * weight + bias over the last dimension, without the bias where norms have
    /// none.
    Value layer_norm(At at, std::string_view name, Value x);
    /// x · weight + bias. x: [T, in]; weight: [in, out], the other way round than a linear's.
    Value conv1d(At at, std::string_view name, Value x, std::int64_t out);
    /// The feed-forward layer's nonlinearity.
    Value activation(At at, Value x);
    /// down_proj(act(gate_proj(x)) * up_proj(x)), the module `mlp`.
    Value gated_mlp(Value x);
    /// The weight `name` of the module at hand, as numbers that ops compute with; the rows of `paired_heads` heads, if
    /// there are, put in halves first: rows are moved whole, also those of blocks.
    Value weight(const char* name, Shape shape, std::int64_t paired_heads = 0);
    /// [T, n * head_dim] -> [T, n, head_dim]
    Value heads(std::string_view name, Value x, std::int64_t n);
    /// softmax(scale * rope(q) · rope(K)ᵀ + mask) · V over the cache, to which k and v are appended, with what the
    /// layer says of rope and window, and the scores held by attention_softcap where there is one. q: [T, n_heads *
    /// head_dim]; k, v: [T, n_kv_heads * head_dim], each also with its heads apart, as heads() gives them. Returns [T,
    /// n_heads * head_dim].
    /// With `sinks` [n_heads], each head's softmax has one more score, which no value goes with.
    Value attention(const LayerConfig& layer, Value q, Value k, Value v, Value sinks = {});

    /// A layer's equations: its input to its output, both [T, hidden_size].
    using Layer = std::function<Value(Decoder& d, const LayerConfig& layer, Value x)>;
    enum class LastNorm : std::uint8_t { rms, layer };
    /// The whole model: embedding, each layer in its scope, the last norm, the head. Ends the graph.
    Graph model(const Layer& layer, LastNorm last = LastNorm::rms);
    /// The head over the normed hidden states, as the configuration names it; ends the graph.
    Graph finish(Value hidden);
    /// hidden · tableᵀ + bias, the head of a masked language model. Where it is not tied, its module `decoder` has a
    /// table and a bias of its own; else `bias` names the bias, null where there is none.
    Value vocabulary_logits(At at, Value hidden, const char* bias = "bias");
    /// The wanted rows of the logits, [T, n_outputs] or absent, and of what they come from; ends the graph.
    Graph finish(Value logits, Value hidden);

private:
    DType weight_dtype(std::string_view path) const;
    Value wanted_rows(const std::string& name, Value x);
    Value in_halves(Value weight, std::int64_t heads);
    Value linear_of(At at, std::string_view name, Value x, std::int64_t out, bool bias, std::int64_t paired_heads);
    Value rotate(At at, const LayerConfig& layer, Value x);
    Value cached(std::string_view name, const LayerConfig& layer, Value x);
    Value mask_of(const LayerConfig& layer) const;

    const BuildOptions& options_;
    Value tokens_, positions_, sequences_, page_table_, lengths_, rows_, table_;
    Value rope_lengths_{};  // absent where rope does not depend on lengths
    Value query_scales_{};  // [T, 1, 1], absent where there are none
    std::vector<std::pair<Visibility, Value>> masks_;
};

}  // namespace vitro
