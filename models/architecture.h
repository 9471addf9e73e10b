// What vitro knows of an architecture beside its equations. Each has one row, in the file with its equations.
#pragma once

#include "graph/graph.h"
#include "models/config.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace vitro {

struct BuildOptions;

/// How config.json spells the keys that not all architectures spell alike.
struct ConfigKeys {
    std::string_view hidden_size = "hidden_size";
    std::string_view intermediate_size = "intermediate_size";
    std::string_view n_layers = "num_hidden_layers";
    std::string_view n_heads = "num_attention_heads";
    std::string_view n_kv_heads = "num_key_value_heads";
    std::string_view max_positions = "max_position_embeddings";
    std::string_view norm_eps = "rms_norm_eps";
    std::string_view activation = "hidden_act";
    std::string_view attention_bias = "attention_bias";
    std::string_view mlp_bias = "mlp_bias";

    // Multipliers; without a name the architecture has none, and the default of ModelConfig stays.
    std::string_view embedding_scale = {};
    std::string_view residual_scale = {};
    std::string_view attention_scale = {};
    std::string_view logit_divisor = {};  // the logits are divided by it
    std::string_view query_scalar = {};   // q·k is divided by its square root
    std::string_view attention_softcap = {};
    std::string_view logit_softcap = {};

    // Whether there are biases; without a name there are.
    std::string_view norm_bias = {};
    std::string_view head_bias = {};
    std::string_view decoder_bias = {};
};

/// Which layers have the sliding window.
struct SlidingDefaults {
    bool has_window = false;  // the key `window_key` is heeded
    std::string_view window_key = "sliding_window";
    bool has_both_sides = false;           // it counts the tokens on both sides: half of them on each, and the token
    std::int64_t window = 0;               // where it is absent; 0: none
    bool has_layer_types = false;          // "layer_types" says of each layer whether it slides, or has a pattern
    std::int64_t full_every = 0;           // where that is absent, every so-many-th layer does not; 0: all slide
    std::string_view full_every_key = {};  // names it in config.json
    bool first_is_full = false;            // they are counted from the first layer on, which is one of them
    bool is_switched = false;              // only with "use_sliding_window", and then from layer "max_window_layers" on
    std::int64_t from_layer = 0;           // the default of "max_window_layers"
    bool where_no_rope = false;            // then, instead, the layers without a rope
};

/// How an architecture differs in what it makes of the rope keys.
struct RopeDefaults {
    double theta = 10000;
    std::string_view theta_key = "rope_theta";
    double local_theta = 0;  // of layers with a sliding window, which have a rope of their own; 0: they have not
    std::string_view local_theta_key = {};    // names it in older files
    std::int64_t none_every = 0;              // every so-many-th layer has no rope; 0: all have
    std::int64_t original_max_positions = 0;  // where config.json is silent; 0: the maximum length
    bool has_partial_rotary = false;          // otherwise partial_rotary_factor must be 1
    double partial_rotary = 1;                // where config.json is silent
    bool rounds_up = false;                   // an odd number of columns that turn becomes even; else it is an error
    bool must_be_given = false;               // there is no default
    bool has_query_scale = false;             // with "llama_4_scaling_beta"
    bool only_longrope = false;               // Phi-3 knows no other scaling, and calls it su or yarn at times
};

/// The mixture of experts of an architecture that has one.
struct ExpertDefaults {
    std::int64_t count = 0;                // 0: it has none
    std::int64_t per_token = 0;            // how many a token chooses
    std::string_view size_key = {};        // the width inside an expert; without a name it is intermediate_size
    std::int64_t size = 0;                 // its default
    std::string_view normalizes_key = {};  // whether their shares sum to 1; without a name they do
    bool has_dense_layers = false;         // "mlp_only_layers" and "decoder_sparse_step" say which layers have none
    bool has_clamped_swiglu = false;       // with "swiglu_alpha" and "swiglu_limit"
    bool may_be_mxfp4 = false;             // "quantization_config" may say that their weights are
};

struct Architecture {
    std::string_view name;        // as "architectures" in config.json spells it
    std::string_view model_type;  // as "model_type" does
    /// The naive graph: no fused op, values named as the modules and tensors of the checkpoint.
    Graph (*build)(const ModelConfig& config, const BuildOptions& options) = nullptr;

    ConfigKeys keys = {};

    // What transformers assumes where config.json is silent.
    std::int64_t n_kv_heads = 0;              // 0: as many as query heads
    std::int64_t head_dim = 0;                // 0: hidden_size / n_heads
    std::int64_t intermediate_by_hidden = 0;  // intermediate_size is hidden_size times this; 0: it must be given
    std::int64_t max_positions = 2048;
    double norm_eps = 1e-6;
    Activation activation = Activation::silu;
    bool tie_word_embeddings = false;
    std::optional<std::int64_t> bos_token_id = 1;
    std::optional<std::int64_t> eos_token_id = 2;
    std::optional<std::int64_t> pad_token_id = {};
    double attention_scale = 0;    // where the key of that name is absent; 0: 1 / sqrt(head_dim)
    double query_scalar = 0;       // the same
    double attention_softcap = 0;  // the same
    double logit_softcap = 0;      // the same

    // Which keys it heeds at all.
    bool has_attention_bias = false;
    bool default_attention_bias = false;  // where the key is absent
    bool has_mlp_bias = false;
    bool default_mlp_bias = false;  // the same
    SlidingDefaults sliding = {};
    RopeDefaults rope = {};
    ExpertDefaults experts = {};

    bool is_causal = true;            // else every token sees the whole text
    bool skips_padding_rows = false;  // positions begin at the table's row pad_token_id + 1
    std::int64_t n_token_types = 0;   // rows of the table of token types, where "type_vocab_size" is absent; 0: none
    bool scales_embedding = false;    // by the square root of hidden_size
    bool norm_from_one = false;       // its norms multiply by 1 + weight

    std::string_view table = "model.embed_tokens.weight", head = "lm_head.weight";  // one, where the head is tied

    /// Tensors whose names end so may be in a checkpoint beside the graph's weights: they are not needed. Old
    /// checkpoints have buffers, and some repeat a tied head.
    std::vector<std::string_view> spare_tensors = {"rotary_emb.inv_freq", "lm_head.weight"};
};

/// "Llama" of LlamaForCausalLM, LlamaModel and the like.
std::string_view family_of(std::string_view architecture);

}  // namespace vitro
