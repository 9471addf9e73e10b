// A valid Phi-3 model directory of a few kilobytes with random weights, and the means to break it on purpose.
#pragma once

#include "base/random.h"
#include "frontend/safetensors.h"
#include "tests/frontend/temp_dir.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace vitro::test {

inline constexpr std::string_view kTinyConfig = R"({
  "architectures": ["Phi3ForCausalLM"],
  "model_type": "phi3",
  "vocab_size": 48,
  "hidden_size": 16,
  "intermediate_size": 24,
  "num_hidden_layers": 1,
  "num_attention_heads": 4,
  "num_key_value_heads": 2,
  "max_position_embeddings": 64,
  "original_max_position_embeddings": 32,
  "rms_norm_eps": 1e-05,
  "hidden_act": "silu",
  "sliding_window": 16,
  "tie_word_embeddings": false,
  "attention_bias": false,
  "bos_token_id": 1,
  "eos_token_id": 2,
  "pad_token_id": 0,
  "rope_theta": 10000.0,
  "rope_scaling": {"type": "longrope", "short_factor": [1.0, 1.5], "long_factor": [2.0, 4.0]},
  "torch_dtype": "float32"
}
)";

inline constexpr std::string_view kTinyGenerationConfig = R"({
  "bos_token_id": 1,
  "eos_token_id": [2, 7],
  "pad_token_id": 0,
  "do_sample": false,
  "temperature": 0.7,
  "top_k": 40,
  "top_p": 0.95,
  "repetition_penalty": 1.1
}
)";

/// A tensor with its own memory.
struct OwnedTensor {
    std::string name;
    std::vector<std::int64_t> shape;
    std::vector<float> values;

    NamedTensor named() { return {name, Tensor(DType::f32, shape, values.data())}; }
};

inline OwnedTensor random_tensor(std::string name, std::vector<std::int64_t> shape, std::uint64_t seed) {
    OwnedTensor tensor{std::move(name), std::move(shape), {}};
    std::int64_t elements = 1;
    for (const std::int64_t size : tensor.shape) elements *= size;
    Random random(seed);
    const float scale = 1.0f / std::sqrt(static_cast<float>(tensor.shape.back()));
    for (std::int64_t i = 0; i < elements; ++i) tensor.values.push_back(random.normal() * scale);
    return tensor;
}

/// The weights kTinyConfig asks for, under Hugging Face's names.
inline std::vector<OwnedTensor> tiny_tensors() {
    std::vector<OwnedTensor> tensors;
    const auto add = [&](std::string_view name, std::vector<std::int64_t> shape) {
        tensors.push_back(random_tensor(std::string(name), std::move(shape), tensors.size()));
    };
    add("model.embed_tokens.weight", {48, 16});
    add("model.layers.0.input_layernorm.weight", {16});
    add("model.layers.0.self_attn.qkv_proj.weight", {32, 16});
    add("model.layers.0.self_attn.o_proj.weight", {16, 16});
    add("model.layers.0.post_attention_layernorm.weight", {16});
    add("model.layers.0.mlp.gate_up_proj.weight", {48, 16});
    add("model.layers.0.mlp.down_proj.weight", {16, 24});
    add("model.norm.weight", {16});
    add("lm_head.weight", {48, 16});
    return tensors;
}

inline void write_tensors(const std::filesystem::path& path, std::vector<OwnedTensor>& tensors) {
    std::vector<NamedTensor> named;
    for (OwnedTensor& tensor : tensors) named.push_back(tensor.named());
    write_safetensors(path, named, {{"format", "pt"}});
}

/// config.json, generation_config.json and model.safetensors.
inline void write_tiny_model(const std::filesystem::path& directory) {
    write_bytes(directory / "config.json", kTinyConfig);
    write_bytes(directory / "generation_config.json", kTinyGenerationConfig);
    std::vector<OwnedTensor> tensors = tiny_tensors();
    write_tensors(directory / "model.safetensors", tensors);
}

/// The same model with its weights in two shards and an index.
inline void write_tiny_shards(const std::filesystem::path& directory) {
    write_tiny_model(directory);
    std::filesystem::remove(directory / "model.safetensors");
    std::vector<OwnedTensor> first = tiny_tensors();
    std::vector<OwnedTensor> second(first.begin() + 5, first.end());
    first.resize(5);
    std::string index = R"({"metadata": {"total_size": 14016}, "weight_map": {)";
    const auto list = [&](std::vector<OwnedTensor>& tensors, const std::string& file) {
        write_tensors(directory / file, tensors);
        for (const OwnedTensor& tensor : tensors) {
            index += (index.ends_with('{') ? "\n  \"" : ",\n  \"") + tensor.name + "\": \"" + file + '"';
        }
    };
    list(first, "model-00001-of-00002.safetensors");
    list(second, "model-00002-of-00002.safetensors");
    write_bytes(directory / "model.safetensors.index.json", index + "}}\n");
}

/// Replaces the first `from` in the file, which must be there, with `to`.
inline void edit(const std::filesystem::path& path, std::string_view from, std::string_view to) {
    std::string text = read_bytes(path);
    const std::size_t at = text.find(from);
    if (at == std::string::npos) throw std::runtime_error("nothing to edit: " + std::string(from));
    write_bytes(path, text.replace(at, from.size(), to));
}

/// A safetensors file of that header and so many bytes of data.
inline std::string safetensors_bytes(std::string_view header, std::size_t data_bytes) {
    std::string bytes(8, '\0');
    const std::uint64_t length = header.size();
    std::memcpy(bytes.data(), &length, 8);
    return bytes.append(header).append(data_bytes, '\0');
}

/// As edit, inside a safetensors header: its length is kept right.
inline void edit_header(const std::filesystem::path& path, std::string_view from, std::string_view to) {
    const std::string bytes = read_bytes(path);
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), 8);
    std::string header = bytes.substr(8, length);
    const std::size_t at = header.find(from);
    if (at == std::string::npos) throw std::runtime_error("nothing to edit: " + std::string(from));
    header.replace(at, from.size(), to);
    write_bytes(path, safetensors_bytes(header, 0) + bytes.substr(8 + length));
}

}  // namespace vitro::test
