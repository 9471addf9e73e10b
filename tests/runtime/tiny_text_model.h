// The tiny Phi-3 model with the small tokenizer's vocabulary: a whole directory that text goes into and comes out of.
#pragma once

#include "tests/frontend/tokenizer_files.h"
#include "tests/runtime/tiny_model.h"

#include <filesystem>

namespace vitro::test {

/// Context 64, long rope factors above 32, end tokens 2 and 7.
inline void write_tiny_text_model(const std::filesystem::path& directory) {
    write_tiny_model(directory);
    edit(directory / "config.json", "\"vocab_size\": 48", fmt::format("\"vocab_size\": {}", kSmallVocab));
    std::vector<OwnedTensor> tensors = tiny_tensors();
    for (OwnedTensor& tensor : tensors)
        if (tensor.shape[0] == 48 && tensor.name.find("mlp") == std::string::npos)
            tensor = random_tensor(tensor.name, {kSmallVocab, 16}, tensor.name.size());
    write_tensors(directory / "model.safetensors", tensors);
    write_bytes(directory / "tokenizer.model", small_model());
    write_bytes(directory / "tokenizer_config.json", kSmallConfig);
}

}  // namespace vitro::test
