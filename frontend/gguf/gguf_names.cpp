#include "frontend/gguf/gguf_names.h"

#include <fmt/format.h>

#include <array>
#include <span>

namespace vitro {
namespace {

/// Names of a layer's modules, and of the others.
constexpr std::array<Renamed, 18> kModules{{
    {"attn_norm", "input_layernorm"},
    {"ffn_norm", "post_attention_layernorm"},
    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},
    {"attn_qkv", "self_attn.qkv_proj"},
    {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"},
    {"post_attention_norm", "post_attention_layernorm"},
    {"post_ffw_norm", "post_feedforward_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},
    {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"},
    {"ffn_gate_inp", "mlp.gate"},
    {"ffn_gate_exps", "mlp.experts.gate_proj"},
    {"ffn_up_exps", "mlp.experts.up_proj"},
    {"ffn_down_exps", "mlp.experts.down_proj"},
}};
/// What one architecture calls otherwise than the others.
constexpr std::array<RenamedIn, 19> kOwnModules{{
    {"bert", "attn_q", "attention.self.query"},
    {"bert", "attn_k", "attention.self.key"},
    {"bert", "attn_v", "attention.self.value"},
    {"bert", "attn_output", "attention.output.dense"},
    {"bert", "attn_output_norm", "attention.output.LayerNorm"},
    {"bert", "ffn_up", "intermediate.dense"},
    {"bert", "ffn_down", "output.dense"},
    {"bert", "layer_output_norm", "output.LayerNorm"},
    {"phi3", "ffn_up", "mlp.gate_up_proj"},  // both in one
    {"gemma2", "ffn_norm", "pre_feedforward_layernorm"},
    {"gemma3", "ffn_norm", "pre_feedforward_layernorm"},
    {"olmo2", "ffn_norm", "pre_feedforward_layernorm"},  // which it has not: its norms stand behind the blocks
    {"gpt-oss", "ffn_gate_inp", "mlp.router"},
    {"starcoder2", "ffn_up", "mlp.c_fc"},
    {"starcoder2", "ffn_down", "mlp.c_proj"},
    {"llama", "ffn_gate_inp", "block_sparse_moe.gate"},  // Mixtral
    {"llama", "ffn_gate_exps", "block_sparse_moe.experts.w1"},
    {"llama", "ffn_up_exps", "block_sparse_moe.experts.w3"},
    {"llama", "ffn_down_exps", "block_sparse_moe.experts.w2"},
}};
constexpr std::array<Renamed, 3> kOthers{{
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
}};
constexpr std::array<Renamed, 4> kOthersOfBert{{
    {"token_embd", "bert.embeddings.word_embeddings"},
    {"token_types", "bert.embeddings.token_type_embeddings"},
    {"position_embd", "bert.embeddings.position_embeddings"},
    {"token_embd_norm", "bert.embeddings.LayerNorm"},
}};

}  // namespace

std::string model_tensor_name(std::string_view gguf_name, std::string_view architecture) {
    if (gguf_name == "rope_freqs.weight" || gguf_name.starts_with("rope_factors_")) return {};
    const std::size_t dot = gguf_name.rfind('.');
    if (dot == std::string_view::npos) return std::string(gguf_name);
    std::string_view module = gguf_name.substr(0, dot);
    const std::string_view kind = gguf_name.substr(dot);  // ".weight", ".bias"
    const bool is_bert = architecture == "bert";
    for (const auto& [gguf, transformers] : is_bert ? std::span<const Renamed>(kOthersOfBert) : kOthers)
        if (module == gguf) return std::string(transformers) + std::string(kind);
    const std::size_t layer_end = module.starts_with("blk.") ? module.find('.', 4) : std::string_view::npos;
    if (layer_end == std::string_view::npos) return std::string(gguf_name);
    const std::string_view layer = module.substr(4, layer_end - 4);
    module.remove_prefix(layer_end + 1);
    if (module == "attn_sinks") return fmt::format("model.layers.{}.self_attn.sinks", layer);
    for (const auto& [own, gguf, transformers] : kOwnModules)
        if (own == architecture && module == gguf)
            return fmt::format("{}.{}.{}{}", is_bert ? "bert.encoder.layer" : "model.layers", layer, transformers,
                               kind);
    for (const auto& [gguf, transformers] : kModules)
        if (module == gguf) return fmt::format("model.layers.{}.{}{}", layer, transformers, kind);
    return std::string(gguf_name);
}

std::string gguf_tensor_name(std::string_view model_name, std::string_view architecture) {
    const std::size_t dot = model_name.rfind('.');
    if (dot == std::string_view::npos) return {};
    const std::string_view kind = model_name.substr(dot);
    const auto is_it = [&](std::string_view name) { return model_tensor_name(name, architecture) == model_name; };
    for (const auto& [gguf, transformers] : kOthers)
        if (const std::string name = std::string(gguf) + std::string(kind); is_it(name)) return name;
    constexpr std::string_view kLayers = "model.layers.";
    if (!model_name.starts_with(kLayers)) return {};
    const std::string_view in_layer = model_name.substr(kLayers.size());
    const std::string_view layer = in_layer.substr(0, in_layer.find('.'));
    for (const auto& [gguf, transformers] : kModules)
        if (const std::string name = fmt::format("blk.{}.{}{}", layer, gguf, kind); is_it(name)) return name;
    return {};
}

}  // namespace vitro
