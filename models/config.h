// What a model is made of, in numbers: the plain struct every architecture is built from. frontend/config.h fills it
// from a Hugging Face directory and guarantees the ranges stated here; a default-constructed one is not a model.
#pragma once

#include "base/dtype.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vitro {

/// The nonlinearity of the gated feed-forward layer. `gelu` is the erf form, `gelu_tanh` the tanh approximation.
enum class Activation : std::uint8_t { silu, gelu, gelu_tanh, relu };

/// What stands on the last hidden states.
enum class Head : std::uint8_t {
    language_model,   // logits of tokens
    sequence_labels,  // scores of labels of a text: of its last token, or of its first where tokens see what follows
    token_labels,     // scores of labels of each token
    none,             // nothing: they are what is wanted
};

/// Which published scheme the rope divisors came from. For display: whoever computes rope reads the divisors only.
enum class RopeKind : std::uint8_t { unscaled, linear, dynamic, yarn, llama3, longrope };

/// Rotary position embedding, with every scaling scheme reduced to one divisor per frequency:
///
///     rotary_dim  columns [0, rotary_dim) of each q and k head turn, the rest pass through unchanged
///     inv_freq[i] = 1 / (divisor[i] * theta^(2 i / rotary_dim))          i in [0, rotary_dim / 2), all in fp32
///     angle       = position * inv_freq[i]                               fp32, position as float
///     cos, sin    = cos(angle) * attention_factor, sin(angle) * attention_factor
///     x'[i]                  = x[i] * cos[i] - x[i + rotary_dim/2] * sin[i]
///     x'[i + rotary_dim/2]   = x[i + rotary_dim/2] * cos[i] + x[i] * sin[i]      (halves, not interleaved pairs)
///
/// The divisors are `short_factor` while the sequence is at most `original_max_positions` long, `long_factor` beyond.
/// transformers decides that anew for each forward call, from the largest position in it: length = max(position) + 1,
/// and `length > original_max_positions` takes long. Keys that are already in the cache keep the turn they were given,
/// so transformers drops the cache and recomputes the prompt when generation crosses the border. Where both factors are
/// equal (`is_static()`) nothing of that matters.
///
/// How the divisors come about (Hugging Face transformers 5.24, modeling_rope_utils.py):
///     unscaled  1; when head_dim * partial_rotary_factor is an odd d, rotary_dim is d + 1 and the exponents keep the
///               denominator d: theta^(2 i / d - 2 i / rotary_dim)
///     linear    factor
///     dynamic   1: it raises theta only for texts longer than max_positions, and no longer ones are run
///     yarn      between 1 where a pair turns often in the original length and the factor where it turns seldom
///               (Peng et al. 2023, YaRN, section 3.2):  1 / ((1 - s) / factor + s)  with  s = 1 - clamp((i - low) /
///               (high - low), 0, 1),  low and high the pairs that turn beta_fast and beta_slow times, and
///               attention_factor = the file's, else 0.1 ln(factor) + 1, or the ratio of two such by mscale
///     llama3    with wavelength w = 2 pi theta^(2 i / rotary_dim), low = original / low_freq_factor and
///               high = original / high_freq_factor:  1 where w < high,  factor where w > low,  between them
///               1 / ((1 - s) / factor + s)  with  s = (original / w - low_freq_factor) / (high_freq_factor -
///               low_freq_factor)
///     longrope  the lists short_factor and long_factor of the file (Ding et al. 2024, LongRoPE), and
///               attention_factor = the file's, else with scale = the file's factor, else max_positions / original:
///               scale <= 1 ? 1 : sqrt(1 + ln(scale) / ln(original))
///     The attention factor of the others is 1.
struct Rope {
    RopeKind kind = RopeKind::unscaled;
    double theta = 10000.0;           // > 0
    std::int64_t rotary_dim = 0;      // even, in [2, head_dim]
    std::vector<float> short_factor;  // [rotary_dim / 2], each > 0; all 1 when unscaled
    std::vector<float> long_factor;   // [rotary_dim / 2], each > 0; equal to short_factor unless longrope
    float attention_factor = 1.0f;    // multiplies cos and sin, so q·k scales by its square; short and long alike
    std::int64_t original_max_positions = 0;  // the length up to which short_factor holds

    bool is_static() const { return short_factor == long_factor; }
    bool operator==(const Rope&) const = default;
};

/// What a layer may have otherwise than its neighbours.
struct LayerConfig {
    static constexpr int kNoRope = -1;

    std::int64_t n_kv_heads = 0;      // divides n_heads
    std::int64_t head_dim = 0;        // n_heads * head_dim need not be hidden_size
    std::int64_t sliding_window = 0;  // position q sees k iff q - window < k <= q; 0: sees every k <= q
    std::int64_t sparse_stride = 0;   // sees of these a pattern only (ops/attention_mask/visibility.h); 0: all
    std::int64_t sparse_summary = 0;  // of the pattern; 0: the strided one, else the fixed one
    int rope = 0;                     // how q and k turn: an index into ModelConfig::ropes, or kNoRope: not at all
    bool has_experts = false;         // its feed-forward layer is a mixture of experts

    bool operator==(const LayerConfig&) const = default;
};

/// One model. Every size is at least 1 and so bounded that the byte count of any weight fits 63 bits.
struct ModelConfig {
    std::string architecture;  // as "architectures" spells it: "Phi3ForCausalLM"
    std::string model_type;    // as "model_type" does: "phi3"

    std::int64_t vocab_size = 0;         // rows of the embedding and of the head
    std::int64_t hidden_size = 0;        // width of the residual stream
    std::int64_t intermediate_size = 0;  // width inside the feed-forward layer
    std::int64_t n_layers = 0;
    std::int64_t n_heads = 0;                 // query heads
    std::int64_t max_positions = 0;           // the longest sequence the model is made for
    std::int64_t original_max_positions = 0;  // as in the first rope; the length of the first training

    double norm_eps = 0;
    Activation hidden_act = Activation::silu;
    bool tie_word_embeddings = false;  // the head is the embedding; there is no lm_head.weight
    bool attention_bias = false;       // the projections of attention have biases
    bool mlp_bias = false;             // those of the feed-forward layer have
    /// The rows of the q and k projections stand in pairs that rope turns, not in halves: GGUF files of Llama.
    bool paired_rows = false;
    bool is_causal = true;  // no token sees what follows it; else a text must come in one step
    Head head = Head::language_model;
    std::vector<std::string> labels;      // their names, by index, of the heads that score labels
    bool has_independent_labels = false;  // several may hold at once: each has a probability of its own
    std::int64_t first_position_row = 0;  // of a learned table of positions
    std::int64_t n_token_types = 0;       // rows of the table of token types; 0: there is none
    bool norm_bias = true;                // LayerNorms have biases
    bool head_bias = true;                // the dense layer in front of the head has one,
    bool decoder_bias = true;             // and the logits of a masked language model
    bool norm_from_one = false;  // the norms' weights are stored as their differences from 1: Gemma, but not in GGUF
    std::optional<DType> dtype;  // what the file says the weights are; the tensors themselves decide

    double embedding_scale = 1;  // of the embedded tokens
    double residual_scale = 1;   // of what a layer's blocks add to the residual stream
    double attention_scale = 0;  // of q·k; 0: 1 / sqrt(head_dim)
    double query_scale_beta = 0;  // q at position p is multiplied by 1 + this · ln(1 + ⌊p / original_max_positions⌋)
    double logit_scale = 1;       // of the logits
    double attention_softcap = 0;  // the scores are held within ± this; 0: they are not
    double logit_softcap = 0;      // the same of the logits

    std::int64_t n_experts = 0;          // of the layers that have experts
    std::int64_t experts_per_token = 0;  // in [1, n_experts]
    std::int64_t expert_size = 0;        // width inside one
    bool normalizes_experts = false;     // the shares of a token's experts sum to 1
    bool experts_are_stacked = false;    // a weight of all experts is one tensor: GGUF files
    bool experts_in_blocks = false;      // such a tensor is MXFP4, whose rows are not turned: published GPT-OSS
    double swiglu_scale = 1;             // of the gate in its sigmoid
    double swiglu_limit = 0;             // the gate is at most this, the other factor within ± this; 0: no limit

    std::vector<LayerConfig> layers;  // [n_layers]
    std::vector<Rope> ropes;          // those of the layers

    /// The width of the logits; 0: there are none.
    std::int64_t n_outputs() const {
        return head == Head::language_model ? vocab_size : static_cast<std::int64_t>(labels.size());
    }
    /// The rope that depends on the length of the text; null where none does. All that do have the same border.
    const Rope* rope_by_length() const {
        const auto found = std::find_if(ropes.begin(), ropes.end(), [](const Rope& rope) { return !rope.is_static(); });
        return found == ropes.end() ? nullptr : &*found;
    }
    bool operator==(const ModelConfig&) const = default;
};

}  // namespace vitro
