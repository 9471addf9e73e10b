// The parts that decoder-only models share, each one equation of the paper.
#pragma once

#include "graph/builder.h"
#include "models/model.h"

#include <optional>
#include <string_view>

namespace vitro {

class Decoder {
public:
    /// Declares the symbols and the inputs of the step. `config` and `options` must outlive it.
    Decoder(const ModelConfig& config, const BuildOptions& options);

    Builder b;
    const ModelConfig& c;

    /// table[tokens]: [T, hidden_size]. `table` is kept for a tied head.
    Value embedding(std::string_view name);
    /// x · weightᵀ (+ bias). x: [T, in]; weight: [out, in].
    Value linear(At at, std::string_view name, Value x, std::int64_t in, std::int64_t out, bool bias = false);
    /// The same, of which the outputs are so many heads to be turned by rope: rows that stand in pairs are put in
    /// halves.
    Value linear_to_heads(At at, std::string_view name, Value x, std::int64_t heads, bool bias);
    /// x / rms(x) * weight. x: [T, hidden_size]
    Value norm(At at, std::string_view name, std::string_view type, Value x);
    /// The feed-forward layer's nonlinearity.
    Value activation(At at, Value x);
    /// softmax(rope(q) · rope(K)ᵀ / sqrt(head_dim) + mask) · V over the cache, to which k and v are appended.
    /// q: [T, n_heads * head_dim]; k, v: [T, n_kv_heads * head_dim]. Returns [T, n_heads * head_dim].
    Value attention(Value q, Value k, Value v);
    /// The logits of the wanted rows, from the normed hidden states; ends the graph.
    Graph finish(Value hidden);

private:
    DType weight_dtype(std::string_view path) const;
    /// The weight `name` of the module at hand, as numbers that ops compute with; the rows of `paired_heads` heads, if
    /// there are, put in halves first: rows are moved whole, also those of blocks.
    Value weight(const char* name, Shape shape, std::int64_t paired_heads = 0);
    Value in_halves(Value weight, std::int64_t heads);
    Value linear_of(At at, std::string_view name, Value x, std::int64_t in, std::int64_t out, bool bias,
                    std::int64_t paired_heads);
    Value rotate(At at, Value x);
    Value cached(std::string_view name, Value x);

    const BuildOptions& options_;
    Value tokens_, positions_, sequences_, page_table_, lengths_, rows_, table_, mask_;
    Value rope_lengths_{};  // absent where rope does not depend on lengths
};

}  // namespace vitro
