#include "frontend/config_keys.h"

#include <algorithm>
#include <array>
#include <optional>

namespace vitro {
namespace {

/// A key, and the value besides null and an empty list with which it asks for nothing.
struct Switch {
    std::string_view key;
    std::optional<double> neutral_number = {};
    std::string_view neutral_text = {};
    bool neutral_flag = false;
};

constexpr Switch kSwitches[] = {
    {"add_cross_attention"},
    {"alibi"},
    {"attention_chunk_size"},
    {"attention_multiplier"},
    {"attention_stride"},
    {"attention_summary"},
    {"attn_logit_softcapping"},
    {"attn_temperature_tuning", 0},
    {"classifier_activation", {}, "gelu"},
    {"classifier_pooling", {}, "cls"},
    {"clip_qkv"},
    {"decoder_sparse_step", 1},
    {"embedding_multiplier", 1},
    {"final_logit_softcapping"},
    {"first_k_dense_replace"},
    {"hidden_size_per_layer_input", 0},
    {"is_causal", {}, {}, true},  // the other way round of encoders
    {"is_decoder"},
    {"is_encoder_decoder"},
    {"kv_lora_rank"},
    {"layer_types", {}, "full_attention"},
    {"lm_head_bias"},
    {"logit_scale", 1},
    {"logits_scaling", 1},
    {"mlp_only_layers"},
    {"moe_intermediate_size"},
    {"n_routed_experts"},
    {"no_rope_layer_interval"},
    {"no_rope_layers", 1},
    {"num_experts", 0},
    {"num_kv_shared_layers", 0},
    {"num_local_experts", 0},
    {"parallel_attn"},
    {"position_embedding_type", {}, "absolute"},
    {"q_lora_rank"},
    {"qk_layernorm"},
    {"query_pre_attn_scalar"},
    {"residual_multiplier", 1},
    {"rope_local_base_freq"},
    {"scale_attn_by_inverse_layer_idx"},
    {"scale_attn_weights", {}, {}, true},
    {"scale_depth"},
    {"scale_emb", 1},
    {"shared_expert_intermediate_size", 0},
    {"sliding_window_pattern"},
    {"use_bidirectional_attention"},
    {"use_parallel_residual"},
    {"use_qk_norm"},
    {"use_qkv_bias"},
    {"use_sliding_window"},
};

bool asks_for_nothing(const JsonValue& value, const Switch& by) {
    if (value.is_null()) return true;
    if (value.is_boolean()) return value.boolean() == by.neutral_flag;
    if (value.is_number()) return by.neutral_number && value.number() == *by.neutral_number;
    if (value.is_string()) return !by.neutral_text.empty() && value.string() == by.neutral_text;
    if (!value.is_array()) return false;
    const std::vector<JsonValue> all = value.array();
    return std::all_of(all.begin(), all.end(), [&](const JsonValue& one) { return asks_for_nothing(one, by); });
}

bool is_heeded(std::string_view key, const Architecture& known) {
    const ConfigKeys& keys = known.keys;
    for (const std::string_view own :
         {keys.embedding_scale, keys.residual_scale, keys.attention_scale, keys.logit_divisor, keys.query_scalar,
          keys.attention_softcap, keys.logit_softcap, keys.attention_bias, known.sliding.full_every_key,
          known.rope.local_theta_key, known.experts.size_key})
        if (own == key) return true;
    if (key == "num_experts" || key == "num_local_experts") return known.experts.count > 0;
    if (key == "mlp_only_layers" || key == "decoder_sparse_step") return known.experts.has_dense_layers;
    if (key == "layer_types" || key == "attention_stride" || key == "attention_summary")
        return known.sliding.has_layer_types;
    if (key == "use_sliding_window") return known.sliding.is_switched;
    if (key == "no_rope_layers" || key == "no_rope_layer_interval") return known.rope.none_every > 0;
    return false;
}

}  // namespace

void refuse_keys_not_heeded(const JsonValue& config, const Architecture& known, std::string_view name) {
    for (Switch by : kSwitches) {
        if (by.key == "is_causal") by.neutral_flag = known.is_causal;
        const auto value = config.given(by.key);
        if (value && !is_heeded(by.key, known) && !asks_for_nothing(*value, by))
            value->refuse(
                fmt::format("no such key, since it changes the result and {} has nothing of the kind", name));
    }
}

}  // namespace vitro
