// What vitro knows of an architecture beside its equations. Each has one row, in the file with its equations.
#pragma once

#include "graph/graph.h"
#include "models/config.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

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
};

/// How an architecture differs in what it makes of the rope keys.
struct RopeDefaults {
    double theta = 10000;
    std::int64_t original_max_positions = 0;  // where config.json is silent; 0: the maximum length
    bool has_partial_rotary = false;          // otherwise partial_rotary_factor must be 1
    bool only_longrope = false;               // Phi-3 knows no other scaling, and calls it su or yarn at times
};

struct Architecture {
    std::string_view name;        // as "architectures" in config.json spells it
    std::string_view model_type;  // as "model_type" does
    /// The naive graph: no fused op, values named as the modules and tensors of the checkpoint.
    Graph (*build)(const ModelConfig& config, const BuildOptions& options) = nullptr;

    ConfigKeys keys = {};

    // What transformers assumes where config.json is silent.
    std::int64_t n_kv_heads = 0;  // 0: as many as query heads
    std::int64_t max_positions = 2048;
    double norm_eps = 1e-6;
    std::int64_t sliding_window = 0;  // 0: none
    Activation activation = Activation::silu;
    bool tie_word_embeddings = false;
    std::int64_t bos_token_id = 1;
    std::int64_t eos_token_id = 2;
    std::optional<std::int64_t> pad_token_id = {};

    // Which keys it heeds at all.
    bool has_sliding_window = false;
    bool has_biases = false;
    RopeDefaults rope = {};

    /// Tensors whose names end so may be in a checkpoint beside the graph's weights: they are not needed. Old
    /// checkpoints have buffers, and some repeat a tied head.
    std::array<std::string_view, 2> spare_tensors = {"rotary_emb.inv_freq", "lm_head.weight"};
};

}  // namespace vitro
