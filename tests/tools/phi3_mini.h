// Phi-3-mini-4k's true sizes, without weights.
#pragma once

#include "tests/frontend/temp_dir.h"

namespace vitro::test {

/// Writes its config.json into a directory; `vitro graph -m` needs no more.
inline void write_phi3_mini(const std::filesystem::path& directory) {
    write_bytes(directory / "config.json", R"({
        "architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "vocab_size": 32064, "hidden_size": 3072,
        "intermediate_size": 8192, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
        "max_position_embeddings": 4096, "original_max_position_embeddings": 4096, "sliding_window": 2047,
        "rms_norm_eps": 1e-05, "rope_theta": 10000.0, "rope_scaling": null, "hidden_act": "silu",
        "tie_word_embeddings": false, "torch_dtype": "bfloat16", "bos_token_id": 1, "eos_token_id": 32000,
        "pad_token_id": 32000})");
}

}  // namespace vitro::test
