// What a GGUF file is made of: the metadata and tensors of another one, as they are; or those of a model directory, in
// the words that llama.cpp reads: its names, q and k rows in pairs where it turns pairs, factors of rope as tensors,
// the tokenizer's vocabulary and the chat template.
#pragma once

#include "frontend/checkpoint.h"
#include "frontend/gguf/gguf_writer.h"
#include "models/config.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace vitro {

class GgufSource {
public:
    struct Tensor {
        std::string name;                 // as the new file has it
        std::vector<std::int64_t> shape;  // outermost first
        DType dtype = DType::f32;
        const std::byte* data = nullptr;  // may be unaligned
        std::size_t bytes = 0;
        std::int64_t paired_heads = 0;  // of a q or k projection whose rows are to stand in pairs: how many; else 0
    };

    /// Error for a model that is none, or has no place in a GGUF file.
    static GgufSource open(const std::filesystem::path& model);

    /// Everything but the type of the weights.
    GgufHeader metadata;
    std::vector<Tensor> tensors;
    std::int64_t layers = 0;
    bool shares_many_heads = false;  // as in GgufMixture
    /// What the new file cannot say.
    std::vector<std::string> warnings;

private:
    void take_file(const std::filesystem::path& path);
    void take_directory(const std::filesystem::path& directory);
    void add_sizes(const ModelConfig& config, std::string_view prefix);
    void add_rope(const ModelConfig& config, std::string_view prefix);
    void add_factors(std::string name, const std::vector<float>& values);
    void add_tokenizer(const std::filesystem::path& directory, const ModelConfig& config);

    std::optional<GgufFile> file_;
    std::optional<Checkpoint> checkpoint_;
    std::deque<std::vector<float>> factors_;
};

}  // namespace vitro
